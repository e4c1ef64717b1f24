//! `hms keys`.

use crate::{check, hms_in};

#[test]
fn a_key_is_made_once_and_shown_without_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    let hms = |args: &[&str]| hms_in(folder.path(), args, b"");
    check(&hms(&["keys", "show"]), 0, "no keys");
    check(&hms(&["keys", "show", "kenya"]), 1, "no key");
    let made = hms(&["keys", "new", "kenya", "--json"]);
    check(&made, 0, "\"name\":\"kenya\"");
    let file = folder.path().join(".hms/keys/kenya.nk");
    let seed = std::fs::read_to_string(&file).unwrap();
    assert!(
        seed.starts_with("SU") && seed.ends_with('\n') && seed.len() == 59,
        "the file's form is shared with Python"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = hms(&["keys", "new", "kenya"]);
    check(&again, 1, "already");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), seed);
    let shown = hms(&["keys", "show", "kenya", "--json"]);
    assert_eq!(shown.out, made.out);
    assert!([&made, &again, &shown].iter().all(|ran| !ran.out.contains(seed.trim()) && !ran.err.contains(seed.trim())));
}

#[test]
fn the_folder_is_what_dir_or_hms_home_say() {
    let folder = tempfile::tempdir().unwrap();
    check(&hms_in(folder.path(), &["keys", "new", "kenya", "--dir", "elsewhere"], b""), 0, "elsewhere/keys/kenya.nk");
    std::fs::write(folder.path().join("elsewhere/keys/kenya.nk"), "nonsense").unwrap();
    check(&hms_in(folder.path(), &["keys", "show", "--dir", "elsewhere"], b""), 2, "not the seed");
}
