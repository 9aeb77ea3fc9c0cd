//! What a peer announces or sends never takes more memory than the limits say.

use crate::support::{decode, decode_with};
use esl::{CommandDecoder, DecodeError, Decoder, End, Limits};

const SMALL: Limits = Limits { header: 1000, body: 5000 };

#[test]
fn a_body_over_64_kib_is_one_frame() {
    let body = vec![b'x'; 3_000_000];
    let stream = [b"Content-Type: api/response\nContent-Length: 3000000\n\n", &body[..]].concat();
    for sizes in [&[usize::MAX][..], &[1], &[1000, 1]] {
        let (frames, end) = decode(&stream, sizes);
        assert_eq!(end, Ok(End::Clean));
        assert_eq!((frames.len(), frames[0].body == body), (1, true));
    }
}

#[test]
fn a_body_over_the_limit_is_an_error_at_once() {
    let (frames, end) = decode_with(b"Content-Type: a/b\nContent-Length: 5001\n\n", &[1], SMALL);
    assert!(frames.is_empty());
    assert_eq!(end, Err(DecodeError::BodyTooLarge { length: 5001, limit: 5000 }));
    // The usual head of an event takes another way through the decoder.
    let head = b"Content-Length: 5001\nContent-Type: text/event-plain\n\n";
    for sizes in [&[usize::MAX][..], &[1]] {
        assert_eq!(
            decode_with(head, sizes, SMALL).1,
            Err(DecodeError::BodyTooLarge { length: 5001, limit: 5000 })
        );
    }
    let huge = b"Content-Length: 99999999999999999999999999\n\n";
    assert_eq!(decode(huge, &[1]).1, Err(DecodeError::BodyTooLarge { length: usize::MAX, limit: 16 << 20 }));
    // Without any limit a number may still not fit.
    let none = Limits { header: usize::MAX, body: usize::MAX };
    let (frames, end) = decode_with(huge, &[1], none);
    assert_eq!(
        (frames, end),
        (vec![], Err(DecodeError::BodyTooLarge { length: usize::MAX, limit: usize::MAX }))
    );
    let most = format!("Content-Length: {}\n\n", usize::MAX);
    assert_eq!(decode_with(most.as_bytes(), &[1], none).1, Ok(End::Truncated { bytes: most.len() }));
}

#[test]
fn headers_that_do_not_end_are_an_error() {
    for endless in [&b"x"[..], b"a: b\n"] {
        let stream = endless.repeat(1001);
        for sizes in [&[usize::MAX][..], &[1], &[300]] {
            assert_eq!(
                decode_with(&stream, sizes, SMALL).1,
                Err(DecodeError::HeaderTooLarge { limit: 1000 })
            );
        }
    }
}

#[test]
fn a_content_length_that_is_no_length_is_an_error() {
    for value in ["-1", "+5", "five", "", "0x10", "5 5"] {
        let stream = format!("Content-Length: {value}\n\n");
        assert_eq!(decode(stream.as_bytes(), &[1]).1, Err(DecodeError::ContentLength(value.into())));
    }
    let two = b"Content-Length: 5\nContent-Length: 6\n\nabcdef";
    assert_eq!(decode(two, &[1]).1, Err(DecodeError::ContentLength("6".into())));
    let same = b"Content-Length: 5\ncontent-length:5 \n\nabcde";
    assert_eq!(decode(same, &[1]).0[0].body, b"abcde");
}

#[test]
fn an_error_stays_and_takes_no_more_memory() {
    let mut decoder = Decoder::new(SMALL);
    decoder.push(b"Content-Length: -1\n\n");
    let error = decoder.next().unwrap_err();
    let held = decoder.buffered();
    for _ in 0..1000 {
        decoder.push(&[b'x'; 1000]);
        assert_eq!(decoder.next().unwrap_err(), error);
    }
    assert_eq!(decoder.buffered(), held);
}

#[test]
fn the_buffer_is_small_until_the_bytes_come_and_shrinks_after_a_huge_frame() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(b"Content-Length: 16777216\n\n");
    assert!(decoder.next().unwrap().is_none());
    assert!(decoder.capacity() <= 256 * 1024, "an announcement alone takes no memory");
    for _ in 0..16 * 1024 {
        decoder.push(&[b'x'; 1024]);
        assert!(
            decoder.capacity() <= 2 * (decoder.buffered() + 256 * 1024),
            "the buffer grows with what it holds"
        );
    }
    assert_eq!(decoder.next().unwrap().unwrap().body().len(), 16 << 20);
    decoder.push(b"Content-Type: auth/request\n");
    assert!(decoder.capacity() <= 256 * 1024, "{}", decoder.capacity());
    decoder.push(b"\n");
    assert!(decoder.next().unwrap().is_some());
}

#[test]
fn reading_into_the_space_is_the_same_as_pushing() {
    let mut decoder = Decoder::new(Limits::default());
    let mut seen = 0;
    for _ in 0..1000 {
        let piece = b"Content-Type: api/response\nContent-Length: 3\n\nabc";
        let space = decoder.space();
        assert!(space.len() >= 64 * 1024);
        space[..piece.len()].copy_from_slice(piece);
        decoder.filled(piece.len());
        while let Some(frame) = decoder.next().unwrap() {
            assert_eq!(frame.body(), b"abc");
            seen += 1;
        }
    }
    assert_eq!(seen, 1000);
    assert!(decoder.capacity() <= 128 * 1024);
}

#[test]
fn a_command_that_does_not_end_or_is_too_large_is_an_error() {
    let mut decoder = CommandDecoder::new(SMALL);
    decoder.push(&[b'x'; 1001]);
    assert_eq!(decoder.next().unwrap_err(), DecodeError::HeaderTooLarge { limit: 1000 });
    let mut decoder = CommandDecoder::new(SMALL);
    decoder.push(b"sendevent X\nContent-Length: 5001\n\n");
    assert_eq!(decoder.next().unwrap_err(), DecodeError::BodyTooLarge { length: 5001, limit: 5000 });
}
