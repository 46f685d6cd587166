//! Numbers in the fields of a header.

use std::io;

use crate::damaged;

/// Reads a field: octal digits between blanks and zero bytes, where nothing is zero; or, marked by its first bit, a number in base
/// 256, whose sign is the second bit.
pub(crate) fn field(bytes: &[u8]) -> io::Result<i64> {
    let number = match bytes.first() {
        Some(first) if first & 0x80 != 0 => base256(bytes),
        _ => octal(bytes),
    };
    number.ok_or_else(|| damaged("a header has a number that is none, or too large"))
}

/// The same of a number that is not negative.
pub(crate) fn count(bytes: &[u8]) -> io::Result<u64> {
    u64::try_from(field(bytes)?).map_err(|_| damaged("a header has a negative number"))
}

fn octal(bytes: &[u8]) -> Option<i64> {
    let is_filling = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(first) = bytes.iter().position(|byte| !is_filling(byte)) else { return Some(0) };
    let last = bytes.iter().rposition(|byte| !is_filling(byte))?;
    // What stands behind a zero byte belongs to nobody.
    let digits = bytes[first..=last].split(|byte| *byte == 0).next()?;
    let is_octal = digits.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_octal)?;
    i64::from_str_radix(digits, 8).ok()
}

fn base256(bytes: &[u8]) -> Option<i64> {
    let (first, rest) = bytes.split_first()?;
    let is_negative = first & 0x40 != 0;
    let flip = if is_negative { 0xff } else { 0 };
    let mut number = i64::from((first ^ flip) & 0x7f);
    for byte in rest {
        number = number.checked_mul(256)? | i64::from(byte ^ flip);
    }
    Some(if is_negative { !number } else { number })
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        let cases: [(&[u8], Option<i64>); 16] = [
            (b"0000644\0", Some(0o644)),
            (b" 644 \0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"", Some(0)),
            (b"12\x007", Some(0o12)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"8", None),
            (b"-1", None),
            (b"+1", None),
            (b"1 1", None),
            (b"\x80\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", Some(i64::MIN)),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\x03", None),
            (b"\xc0\0\0\0\0\0\0\0\0\0\0\0", None),
        ];
        for (bytes, number) in cases {
            assert_eq!(field(bytes).ok(), number, "{bytes:x?}");
        }
    }
}
