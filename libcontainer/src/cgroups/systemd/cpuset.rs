//! Lists of CPUs and memory nodes as the bits that systemd wants.

/// Past the kernel's most; a list beyond is a mistake, not a machine.
const MOST: usize = 8192;

/// `0,2-3` as bytes, the lowest first, the lowest bit first.
pub(super) fn bits(list: &str) -> Result<Vec<u8>, String> {
    let number = |text: &str| match text.trim().parse::<usize>() {
        Ok(number) if number < MOST => Ok(number),
        _ => Err(format!("{text:?} is no number below {MOST}")),
    };
    let mut bits = Vec::new();
    for range in list.split(',').filter(|range| !range.trim().is_empty()) {
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(range)?, number(range)?),
        };
        if first > last {
            return Err(format!("invalid range: {range}"));
        }
        for cpu in first..=last {
            let byte = cpu / 8;
            if bits.len() <= byte {
                bits.resize(byte.saturating_add(1), 0);
            }
            if let Some(byte) = bits.get_mut(byte) {
                *byte |= 1 << (cpu % 8);
            }
        }
    }
    if bits.is_empty() {
        return Err("empty value".to_owned());
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn the_lowest_comes_first() {
        assert_eq!(bits("0"), Ok(vec![1]));
        assert_eq!(bits("0-9"), Ok(vec![0xff, 0x03]));
        assert_eq!(bits("8"), Ok(vec![0, 1]));
        assert_eq!(bits(" 1, 3-4 ,,16"), Ok(vec![0b0001_1010, 0, 1]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for list in [
            "",
            ",",
            "3-1",
            "x",
            "1-",
            "-1",
            "8192",
            "1-2-3",
            "99999999999999999999",
        ] {
            assert!(bits(list).is_err(), "{list:?}");
        }
    }
}
