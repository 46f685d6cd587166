//! The extended records of an entry, as POSIX calls them (pax): `<length> <key>=<value>\n`, where the length counts all of it.

use std::io;

use crate::damaged;
use crate::header::Time;

/// What an entry's records say that means something here. An empty value leaves to the header what it says.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub path: Option<Vec<u8>>,
    pub link_path: Option<Vec<u8>>,
    pub size: Option<i64>,
    pub uid: Option<i64>,
    pub gid: Option<i64>,
    pub modified_at: Option<Time>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Records {
    /// Reads all of them; what is no record is an error, as it is for Go.
    pub fn read(mut bytes: &[u8]) -> io::Result<Self> {
        let mut records = Self::default();
        while !bytes.is_empty() {
            let (key, value, rest) =
                split(bytes).ok_or_else(|| damaged("an extended record is malformed"))?;
            records.take(key, value)?;
            bytes = rest;
        }
        Ok(records)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if key.starts_with(b"GNU.sparse.") {
            return Err(damaged("sparse files by extended records are not supported"));
        }
        let wrong = || damaged(format!("the extended record {} is wrong", String::from_utf8_lossy(key)));
        let text = || std::str::from_utf8(value).ok();
        let number = || text().and_then(|text| text.parse().ok()).map(Some).ok_or_else(wrong);
        let name = || if value.contains(&0) { Err(wrong()) } else { Ok(Some(value.to_vec())) };
        match key {
            _ if value.is_empty() => {}
            b"path" => self.path = name()?,
            b"linkpath" => self.link_path = name()?,
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"mtime" => self.modified_at = Some(text().and_then(time).ok_or_else(wrong)?),
            _ => {
                let name = key.strip_prefix(b"SCHILY.xattr.");
                self.xattrs.extend(name.map(|name| (name.to_vec(), value.to_vec())));
            }
        }
        Ok(())
    }
}

/// Splits the first record off: its key, its value, and what follows.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().position(|byte| *byte == b' ')?;
    let digits = std::str::from_utf8(&bytes[..blank]).ok().filter(|digits| !digits.starts_with('+'))?;
    let len: usize = digits.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let pair = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&pair[..equals], &pair[equals + 1..]);
    (!key.is_empty() && !key.contains(&0)).then_some((key, value, rest))
}

/// Reads decimal seconds, `1700000000.123456789` or `-1.5`; digits behind the ninth are cut off.
fn time(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    Some(match (nanos, whole.starts_with('-')) {
        (1.., true) => Time { seconds: seconds.checked_sub(1)?, nanos: 1_000_000_000 - nanos },
        _ => Time { seconds, nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nanoseconds_and_may_be_before_1970() {
        let time = |text| time(text).map(|time| (time.seconds, time.nanos));
        assert_eq!(time("1700000000.5"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("12."), Some((12, 0)));
        assert_eq!(time("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time("1.1234567891"), Some((1, 123_456_789)));
        for wrong in ["x", "1.x", "", ".5", "1.5.5"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn records_end_where_they_say_and_nothing_is_between_them() {
        let records =
            Records::read(b"14 path=a\nb=c\n18 linkpath=\xff\nd=\n\n7 uid=\n").expect("three records");
        assert_eq!(records.path.as_deref(), Some(&b"a\nb=c"[..]));
        assert_eq!(records.link_path.as_deref(), Some(&b"\xff\nd=\n"[..]));
        assert_eq!(records.uid, None);
        let wrong: [&[u8]; 13] = [
            b"xx junk\n",
            b"junk",
            b"9 path=a\n\0\0",
            b"8 path=a\n",
            b"11 path=a\n",
            b"99 path=a\n",
            b"+9 path=a\n",
            b"-9 path=a\n",
            b"7 path\n",
            b"5 =a\n",
            b"12 path=a\0b\n",
            b"9 size=x\n",
            b"11 mtime=x\n",
        ];
        for bytes in wrong {
            assert!(Records::read(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
        let error = Records::read(b"26 GNU.sparse.name=secret\n").expect_err("it is refused");
        assert!(error.to_string().contains("sparse"), "{error}");
    }
}
