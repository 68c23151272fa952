//! Values as people write them: GVariant's text format.
//!
//! A number without a type is an `int32`, or a `double` when it has a point or an
//! exponent, unless a neighbour in its array says otherwise. Types are written
//! before a value, as `uint64 5` or `@as []`.

use super::types::Type;
use super::value::Value;

/// The deepest nesting.
const DEEPEST: usize = 32;
/// The longest text.
const LONGEST: usize = 64 * 1024;

type Result<T> = std::result::Result<T, String>;

/// Reads a value.
pub(crate) fn parse(text: &str) -> Result<Value> {
    if text.len() > LONGEST {
        return Err("the value is too long".to_owned());
    }
    let mut parser = Parser { rest: text };
    let node = parser.node(DEEPEST)?;
    parser.skip_space();
    if !parser.rest.is_empty() {
        return Err(format!("unexpected {:?} after the value", parser.rest));
    }
    let kind = node.kind()?;
    node.value(&kind)
}

/// A value whose type is not settled yet.
#[derive(Debug)]
enum Node {
    Number(String),
    Text(String),
    Bool(bool),
    Bytes(Vec<u8>),
    List(Vec<Node>),
    Tuple(Vec<Node>),
    Dictionary(Vec<(Node, Node)>),
    Variant(Box<Node>),
    Typed(Type, Box<Node>),
}

impl Node {
    /// The type, where something says it.
    fn said(&self) -> Option<Type> {
        match self {
            Self::Number(text) => is_double(text).then_some(Type::Basic('d')),
            Self::Text(_) => None,
            Self::Bool(_) => Some(Type::Basic('b')),
            Self::Bytes(_) => Some(Type::Basic('y').array()),
            Self::List(nodes) => nodes.iter().find_map(Self::said).map(Type::array),
            Self::Tuple(nodes) => {
                let kinds: Option<_> = nodes.iter().map(Self::said).collect();
                kinds.map(Type::Struct)
            }
            Self::Dictionary(entries) => {
                let key = entries.iter().find_map(|(key, _)| key.said())?;
                let value = entries.iter().find_map(|(_, value)| value.said())?;
                Some(Type::Entry(Box::new(key), Box::new(value)).array())
            }
            Self::Variant(_) => Some(Type::Variant),
            Self::Typed(kind, _) => Some(kind.clone()),
        }
    }

    /// The type, by default where nothing says it.
    fn kind(&self) -> Result<Type> {
        if let Some(kind) = self.said() {
            return Ok(kind);
        }
        let first = |nodes: &mut dyn Iterator<Item = &Node>| {
            let mut fallback = Err("an empty array needs its type, as in @as []".to_owned());
            for node in nodes {
                if let Some(kind) = node.said() {
                    return Ok(kind);
                }
                if fallback.is_err() {
                    fallback = node.kind();
                }
            }
            fallback
        };
        Ok(match self {
            Self::Number(_) => Type::Basic('i'),
            Self::List(nodes) => first(&mut nodes.iter())?.array(),
            Self::Tuple(nodes) => {
                Type::Struct(nodes.iter().map(Self::kind).collect::<Result<_>>()?)
            }
            Self::Dictionary(entries) => {
                let key = first(&mut entries.iter().map(|(key, _)| key))?;
                let value = first(&mut entries.iter().map(|(_, value)| value))?;
                Type::Entry(Box::new(key), Box::new(value)).array()
            }
            Self::Text(_) | Self::Bool(_) | Self::Bytes(_) | Self::Variant(_) | Self::Typed(..) => {
                Type::Basic('s')
            }
        })
    }

    /// The value, of this type.
    fn value(&self, kind: &Type) -> Result<Value> {
        let other = || format!("this is no value of type {:?}", kind.to_string());
        match (self, kind) {
            (Self::Typed(said, node), _) if said == kind => node.value(kind),
            (Self::Number(text), Type::Basic(letter)) => number(text, *letter)
                .ok_or_else(|| format!("{text:?} is no number of type {letter:?}")),
            (Self::Text(text), Type::Basic('s')) => Ok(Value::text(text)),
            (Self::Text(text), Type::Basic('o')) => Ok(Value::Path(text.clone())),
            (Self::Text(text), Type::Basic('g')) => {
                Type::list(text).map_err(|error| error.to_string())?;
                Ok(Value::Signature(text.clone()))
            }
            (Self::Bool(truth), Type::Basic('b')) => Ok(Value::Bool(*truth)),
            (Self::Bytes(bytes), Type::Array(element)) if **element == Type::Basic('y') => {
                let bytes = bytes.iter().copied().map(Value::Byte).collect();
                Ok(Value::Array(Type::Basic('y'), bytes))
            }
            (Self::List(nodes), Type::Array(element)) => {
                let values = nodes.iter().map(|node| node.value(element));
                Ok(Value::Array(
                    (**element).clone(),
                    values.collect::<Result<_>>()?,
                ))
            }
            (Self::Tuple(nodes), Type::Struct(kinds)) if nodes.len() == kinds.len() => {
                let values = nodes.iter().zip(kinds).map(|(node, kind)| node.value(kind));
                Ok(Value::Struct(values.collect::<Result<_>>()?))
            }
            (Self::Dictionary(entries), Type::Array(entry)) => {
                let Type::Entry(key_kind, value_kind) = &**entry else {
                    return Err(other());
                };
                let values = entries.iter().map(|(key, value)| {
                    let key = Box::new(key.value(key_kind)?);
                    Ok(Value::Entry(key, Box::new(value.value(value_kind)?)))
                });
                Ok(Value::Array(
                    (**entry).clone(),
                    values.collect::<Result<_>>()?,
                ))
            }
            (Self::Variant(node), Type::Variant) => Ok(node.value(&node.kind()?)?.variant()),
            _ => Err(other()),
        }
    }
}

fn is_double(text: &str) -> bool {
    !text.contains("0x") && text.contains(['.', 'e', 'E'])
}

/// A number of the type; 0x is hexadecimal, a leading 0 octal.
fn number(text: &str, letter: char) -> Option<Value> {
    if letter == 'd' {
        return text
            .parse::<f64>()
            .ok()
            .map(|it| Value::Double(it.to_bits()));
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (digits, 10),
    };
    // A second sign is no digit, though `from_str_radix` takes it.
    let size = digits
        .starts_with(|first: char| first.is_ascii_hexdigit())
        .then(|| i128::from_str_radix(digits, radix).ok())??;
    let number = if negative { -size } else { size };
    Some(match letter {
        'y' => Value::Byte(number.try_into().ok()?),
        'n' => Value::I16(number.try_into().ok()?),
        'q' => Value::U16(number.try_into().ok()?),
        'i' => Value::I32(number.try_into().ok()?),
        'u' => Value::U32(number.try_into().ok()?),
        'x' => Value::I64(number.try_into().ok()?),
        't' => Value::U64(number.try_into().ok()?),
        _ => return None,
    })
}

/// The words for types.
const WORDS: [(&str, char); 13] = [
    ("boolean", 'b'),
    ("byte", 'y'),
    ("int16", 'n'),
    ("uint16", 'q'),
    ("int32", 'i'),
    ("uint32", 'u'),
    ("int64", 'x'),
    ("uint64", 't'),
    ("double", 'd'),
    ("string", 's'),
    ("objectpath", 'o'),
    ("signature", 'g'),
    ("handle", 'h'),
];

#[derive(Debug)]
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes this when it comes next, space before it aside.
    fn eats(&mut self, what: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(what) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, what: char) -> Result<()> {
        if self.eats(what) {
            return Ok(());
        }
        Err(format!("{what:?} is missing before {:?}", self.rest))
    }

    /// Takes characters while they are of a kind.
    fn take(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|it| !of(it)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        self.rest = rest;
        taken
    }

    fn node(&mut self, depth: usize) -> Result<Node> {
        let depth = depth.checked_sub(1).ok_or("the value nests too deep")?;
        self.skip_space();
        let next = self.rest.chars().next().ok_or("the value ends early")?;
        match next {
            '[' => Ok(Node::List(self.until(']', |parser| parser.node(depth))?)),
            '(' => Ok(Node::Tuple(self.until(')', |parser| parser.node(depth))?)),
            '{' => {
                let entries = self.until('}', |parser| {
                    let key = parser.node(depth)?;
                    parser.expect(':')?;
                    Ok((key, parser.node(depth)?))
                });
                Ok(Node::Dictionary(entries?))
            }
            '<' => {
                self.eats('<');
                let node = self.node(depth)?;
                self.expect('>')?;
                Ok(Node::Variant(Box::new(node)))
            }
            '\'' | '"' => Ok(Node::Text(self.quoted(next)?)),
            'b' if self.rest.starts_with("b'") || self.rest.starts_with("b\"") => {
                self.eats('b');
                let quote = self.rest.chars().next().unwrap_or_default();
                Ok(Node::Bytes(self.quoted_bytes(quote)?))
            }
            '@' => {
                self.eats('@');
                let signature = self.take(|it| !it.is_whitespace());
                let kind = Type::single(signature).map_err(|error| error.to_string())?;
                self.typed(kind, depth)
            }
            '+' | '-' | '.' | '0'..='9' => {
                let text = self.take(|it| it.is_ascii_alphanumeric() || "+-.".contains(it));
                Ok(Node::Number(text.to_owned()))
            }
            _ => self.word(depth),
        }
    }

    fn word(&mut self, depth: usize) -> Result<Node> {
        let word = self.take(|it| it.is_ascii_alphanumeric());
        match word {
            "true" => return Ok(Node::Bool(true)),
            "false" => return Ok(Node::Bool(false)),
            _ => {}
        }
        match WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, 'h')) | None => Err(format!(
                "unrecognized type {:?}",
                if word.is_empty() { self.rest } else { word }
            )),
            Some((_, letter)) => self.typed(Type::Basic(*letter), depth),
        }
    }

    fn typed(&mut self, kind: Type, depth: usize) -> Result<Node> {
        let node = self.node(depth)?;
        if matches!(node, Node::Typed(..)) {
            return Err("a type after a type".to_owned());
        }
        Ok(Node::Typed(kind, Box::new(node)))
    }

    /// A bracket's contents, with commas between.
    fn until<T>(&mut self, end: char, one: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut list = Vec::new();
        let open = self.rest.chars().next().unwrap_or_default();
        self.eats(open);
        while !self.eats(end) {
            if !list.is_empty() {
                self.expect(',')?;
                // A tuple of one has a comma after it.
                if end == ')' && self.eats(end) {
                    break;
                }
            }
            list.push(one(self)?);
        }
        Ok(list)
    }

    fn quoted(&mut self, quote: char) -> Result<String> {
        self.eats(quote);
        let mut text = String::new();
        let mut letters = self.rest.chars();
        loop {
            match letters.next().ok_or("an unterminated string")? {
                letter if letter == quote => break,
                '\\' => match letters.next().ok_or("an unterminated string")? {
                    '\n' => {}
                    'u' => text.push(unicode(&mut letters, 4)?),
                    'U' => text.push(unicode(&mut letters, 8)?),
                    letter => text.push(control(letter).unwrap_or(letter)),
                },
                letter => text.push(letter),
            }
        }
        self.rest = letters.as_str();
        if text.contains('\0') {
            return Err("a string with a NUL".to_owned());
        }
        Ok(text)
    }

    /// Bytes as a C string writes them, with the NUL that ends it.
    fn quoted_bytes(&mut self, quote: char) -> Result<Vec<u8>> {
        self.eats(quote);
        let mut bytes = Vec::new();
        let mut letters = self.rest.chars();
        let short = "a short escape in a bytestring";
        loop {
            match letters.next().ok_or("an unterminated bytestring")? {
                letter if letter == quote => break,
                '\\' => match letters.next().ok_or("an unterminated bytestring")? {
                    'x' => bytes.push(digits(&mut letters, 2, 16).ok_or(short)?),
                    '0' => bytes.push(digits(&mut letters, 3, 8).ok_or(short)?),
                    letter => {
                        let letter = control(letter).unwrap_or(letter);
                        bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                    }
                },
                letter => bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        self.rest = letters.as_str();
        bytes.push(0);
        Ok(bytes)
    }
}

fn control(letter: char) -> Option<char> {
    Some(match letter {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        _ => return None,
    })
}

fn digits<T: TryFrom<u32>>(
    letters: &mut std::str::Chars<'_>,
    count: usize,
    radix: u32,
) -> Option<T> {
    let mut number = 0_u32;
    for _ in 0..count {
        let digit = letters.next()?.to_digit(radix)?;
        number = number.checked_mul(radix)?.checked_add(digit)?;
    }
    number.try_into().ok()
}

fn unicode(letters: &mut std::str::Chars<'_>, count: usize) -> Result<char> {
    digits(letters, count, 16)
        .and_then(char::from_u32)
        .ok_or_else(|| "a short unicode escape".to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_have_the_types_that_are_said_or_usual() {
        for (text, kind) in [
            ("5", "i"),
            ("-0x1F", "i"),
            ("uint64 5", "t"),
            ("byte 0x10", "y"),
            ("1.5", "d"),
            ("1e3", "d"),
            ("double 1", "d"),
            ("true", "b"),
            ("boolean false", "b"),
            ("'it\\'s'", "s"),
            ("\"x\"", "s"),
            ("objectpath '/a'", "o"),
            ("signature 'as'", "g"),
            ("['a', 'b']", "as"),
            ("@as []", "as"),
            ("[uint64 1, 2]", "at"),
            ("[1, uint64 2]", "at"),
            ("[1, 2.5]", "ad"),
            ("[[], [int16 3]]", "aan"),
            ("b'x\\x00\\n'", "ay"),
            ("<'x'>", "v"),
            ("[<1>, <'a'>]", "av"),
            ("{'a': <1>, 'b': <true>}", "a{sv}"),
            ("{1: uint32 2}", "a{iu}"),
            ("@a{sv} {}", "a{sv}"),
            ("[('/dev/null', 'rw')]", "a(ss)"),
            ("(uint32 1,)", "(u)"),
            (" [ 'a' , 'b' ] ", "as"),
        ] {
            let found = parse(text).map(|value| value.kind().to_string());
            assert_eq!(found.as_deref(), Ok(kind), "{text}");
        }
    }

    #[test]
    fn values_are_what_is_written() {
        assert_eq!(parse("int64 -0x10").unwrap(), Value::I64(-16));
        assert_eq!(parse("010").unwrap(), Value::I32(8));
        assert_eq!(parse("byte 255").unwrap(), Value::Byte(255));
        assert_eq!(parse("1.5").unwrap(), Value::Double(1.5_f64.to_bits()));
        assert_eq!(
            parse(r"'a\tb\u00e9\\'").unwrap(),
            Value::text("a\tb\u{e9}\\")
        );
        let bytes = [b'a', 0xff, b'\n', 0].map(Value::Byte).to_vec();
        assert_eq!(
            parse(r"b'a\xff\n'").unwrap(),
            Value::Array(Type::Basic('y'), bytes)
        );
    }

    #[test]
    fn what_is_no_value_is_said() {
        let deep = "[".repeat(99);
        for text in [
            "",
            "uint64",
            "uint64 -1",
            "byte 256",
            "int32 x",
            "x",
            "5 5",
            "[1",
            "[1 2]",
            "['a', 1]",
            "[]",
            "{'a'}",
            "{'a': 1",
            "'a",
            "b'a",
            "'\\u12'",
            "b'\\x1'",
            "@z 1",
            "@as 'x'",
            "uint32 uint32 1",
            "handle 1",
            "1--2",
            "--1",
            "0x",
            "'\\u0000'",
            "<1",
            "(1",
            "@a 1",
            &deep,
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        let long = format!("'{}'", "x".repeat(70_000));
        assert!(parse(&long).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_an_error_or_a_value(text in r#"[\[\](){}<>,:'"@ab0-9xes\\ u.-]{0,24}"#) {
            if let Ok(value) = parse(&text) {
                let _ = value.kind();
            }
        }
    }
}
