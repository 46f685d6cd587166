//! Text as Docker prints it.

use super::table::align;
use super::*;

#[test]
fn durations_for_people() {
    let cases = [
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (14 * 86_400, "2 weeks"),
        (60 * 86_400, "2 months"),
        (730 * 86_400, "2 years"),
    ];
    for (seconds, text) in cases {
        assert_eq!(human_duration(seconds), text, "for {seconds} s");
    }
}

#[test]
fn sizes_for_people() {
    let cases = [
        (0, "0B"),
        (1023, "1023B"),
        (67_108_864, "64MiB"),
        (2_096_103_424, "1.952GiB"),
        (16_777_216_000, "15.62GiB"),
        (1536, "1.5KiB"),
    ];
    for (count, text) in cases {
        assert_eq!(bytes(count), text);
    }
}

#[test]
fn names_sort_naturally() {
    let mut names = ["web10", "web2", "web", "a", "web02", "b1"];
    names.sort_by(|a, b| natural_order(a, b));
    assert_eq!(names, ["a", "b1", "web", "web2", "web02", "web10"]);
}

#[test]
fn cells_align_by_display_width() {
    let text = align("ID\tNAME\tPORTS\n8zfc4lwscxad\tweb\t\n1\t日本\tx\n");
    assert_eq!(
        text,
        "ID             NAME      PORTS\n8zfc4lwscxad   web       \n1              日本      x\n"
    );
}

#[test]
fn columns_end_with_their_block() {
    assert_eq!(align("a\tb\nc\nlonger cell here\tb"), "a         b\nc\nlonger cell here   b");
}

#[test]
fn long_texts_are_cut_by_columns() {
    assert_eq!(ellipsis("task: non-zero exit (137): dockerexec", 30), "task: non-zero exit (137): do…");
    assert_eq!(ellipsis("日本語", 4), "日…");
    assert_eq!(ellipsis("short", 30), "short");
}

#[test]
fn images_in_their_familiar_form() {
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let pinned = |image: &str| format!("{image}@{digest}");
    assert_eq!(familiar_image(&pinned("redis:7")), "redis:7");
    assert_eq!(familiar_image(&pinned("redis")), pinned("redis"));
    assert_eq!(familiar_image(&pinned("localhost:5000/team/app:1.2")), "localhost:5000/team/app:1.2");
    let tagged = |image: &str| Reference::parse(image).map(|image| image.with_default_tag().familiar());
    assert_eq!(tagged("docker.io/library/redis").as_deref(), Some("redis:latest"));
    assert_eq!(tagged("team/app").as_deref(), Some("team/app:latest"));
    assert_eq!(tagged("127.0.0.1:5000/app").as_deref(), Some("127.0.0.1:5000/app:latest"));
    assert_eq!(tagged(&pinned("redis")), Some(pinned("redis")));
    assert_eq!(tagged("Redis"), None);
    assert_eq!(tagged("a b"), None);
}

#[test]
fn quoting_as_go_does() {
    assert_eq!(go_quote("a\"b\\c\n\u{1}é"), r#""a\"b\\c\n\x01é""#);
    assert_eq!(capitalize("2026-01-02 03:04:05.6 +0000 UTC"), "2026-01-02 03:04:05.6 +0000 utc");
    assert_eq!(capitalize("rEADY"), "Ready");
}
