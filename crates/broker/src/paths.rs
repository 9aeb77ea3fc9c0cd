//! Names of files, as far as a policy wants to know: whether one stays below a directory, whoever reads it.

/// Whether a path is one file below the directory where it begins.
pub(crate) fn is_sound(path: &str) -> bool {
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+=@".contains(character);
    path.chars().all(is_plain) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether a path is one file below a directory that begins with "/".
pub(crate) fn is_below(path: &str, directory: &str) -> bool {
    let directory = directory.trim_end_matches('/');
    let rest = path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/'));
    directory.starts_with('/') && rest.is_some_and(is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_is_one_file_below_where_it_begins() {
        for path in ["x.wav", "ivr/8000/hello.wav", "1000@pbx.example/a-b_c.wav", "größe.wav", "a..b.wav"] {
            assert!(is_sound(path), "{path}");
        }
        for path in [
            "",
            "/x.wav",
            "../x.wav",
            "ivr/../../x.wav",
            "ivr//x.wav",
            "ivr/./x.wav",
            "ivr/",
            "{a=b}x.wav",
            "a.wav!b.wav",
            "x y.wav",
            "~/x.wav",
            "%2e%2e/x",
            "${x}/y.wav",
            "file_string://x.wav",
            "c:\\x.wav",
            "x'y.wav",
            "x;y",
            "a|b",
            "a,b",
        ] {
            assert!(!is_sound(path), "{path}");
        }
    }

    #[test]
    fn what_is_below_a_directory_does_not_leave_it() {
        for directory in ["/srv/rec", "/srv/rec/"] {
            assert!(is_below("/srv/rec/2026/x.wav", directory));
            for path in [
                "/srv/rec",
                "/srv/rec/",
                "/srv/recordings/x.wav",
                "/srv/rec/../x.wav",
                "/srv/rec//x.wav",
                "srv/rec/x.wav",
                "x.wav",
            ] {
                assert!(!is_below(path, directory), "{path}");
            }
        }
        assert!(!is_below("/x.wav", "/") && !is_below("/x.wav", "") && !is_below("rec/x.wav", "rec"));
    }
}
