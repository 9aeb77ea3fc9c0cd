//! How fast the simulated switch is, so that it is never what a benchmark of the product measures.
//!
//! Run with `cargo bench -p simswitch`. The reader is in the same process, on the same two cores.

use divan::{Bencher, counter::ItemsCount};
use esl::{Decoder, Limits};
use simswitch::{Capture, Config, Pace, Part, Rehearsal, Scenario, SimSwitch, Stamps};
use std::{io::Read as _, io::Write as _, net::TcpStream, path::Path, time::Duration};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// Events of a scenario in virtual time, without any socket.
#[divan::bench(sample_count = 10)]
fn rehearse_the_mix(bencher: Bencher) {
    let run = || {
        let scenario = Scenario::new(1, &Part::mix(1.0));
        Rehearsal::new(scenario, 1_795_219_200_000_000, Duration::from_secs(300)).count()
    };
    let events = run();
    bencher.counter(ItemsCount::new(events)).bench(run);
}

/// A capture over TCP to one reader that decodes every frame.
#[divan::bench(sample_count = 10, args = ["flood", "flood_mixed"])]
fn play_to_a_decoding_reader(bencher: Bencher, name: &str) {
    let setting = Setting::new(name);
    let mut client = setting.client();
    let mut decoder = Decoder::new(Limits::default());
    bencher.counter(ItemsCount::new(setting.capture.events().len())).bench_local(|| {
        setting.play(|events| {
            let mut seen = 0;
            while seen < events {
                let read = client.read(decoder.space()).expect("bytes");
                decoder.filled(read);
                while decoder.next().expect("a frame").is_some() {
                    seen += 1;
                }
            }
        });
    });
}

/// The bytes of a capture as they are, to one reader that looks at nothing.
#[divan::bench(sample_count = 10)]
fn write_raw_bytes(bencher: Bencher) {
    let setting = Setting::new("flood_mixed");
    let mut client = setting.client();
    let bytes = setting.capture.bytes().len();
    let mut buffer = vec![0; 256 * 1024];
    bencher.counter(divan::counter::BytesCount::new(bytes)).bench_local(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| setting.runtime.block_on(setting.switch.play_raw(setting.capture.bytes())));
            let mut seen = 0;
            while seen < bytes {
                seen += client.read(&mut buffer).expect("bytes");
            }
        });
    });
}

struct Setting {
    runtime: Runtime,
    switch: SimSwitch,
    capture: Capture,
}

impl Setting {
    fn new(capture: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/captures/freeswitch");
        let capture = Capture::load(folder.join(format!("{capture}.plain.esl.zst"))).expect("a capture");
        let runtime = Runtime::new().expect("a runtime");
        let config = Config { heartbeat: None, ..Config::default() };
        let switch = runtime.block_on(SimSwitch::bind(config)).expect("a free port");
        Self { runtime, switch, capture }
    }

    /// A client that has subscribed to everything and read all replies.
    fn client(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.switch.addr()).expect("a connection");
        client.write_all(b"auth ClueCon\n\nevent plain ALL\n\n").expect("a connection");
        let mut decoder = Decoder::new(Limits::default());
        let mut frames = 0;
        while frames < 3 {
            let read = client.read(decoder.space()).expect("bytes");
            decoder.filled(read);
            while decoder.next().expect("a frame").is_some() {
                frames += 1;
            }
        }
        client
    }

    fn play(&self, read: impl FnOnce(usize)) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let play = self.switch.play(self.capture.events(), Pace::Max, Stamps::Recorded);
                self.runtime.block_on(play)
            });
            read(self.capture.events().len());
        });
    }
}
