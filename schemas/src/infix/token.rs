//! The words of the infix form, each with the column that it starts at.

use super::BadClaim;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// Digits, perhaps with a point among them.
    Number(String),
    /// A letter, then letters, digits and underscores; `forall`, `in` and `oo` too.
    Name(String),
    /// One of `>= > = <= < + - * / ^ ( ) [ ] , :`.
    Sign(&'static str),
    /// The end of the text.
    End,
}

/// A word and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub word: Word,
    /// Where it starts, in characters from 1.
    pub column: usize,
}

/// Signs, the longer before the shorter.
const SIGNS: [&str; 16] = [">=", "<=", ">", "<", "=", "+", "-", "*", "/", "^", "(", ")", "[", "]", ",", ":"];

/// Takes a text apart. The last token is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, BadClaim> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = letters.get(at) {
        let column = at + 1;
        let rest = letters.get(at..).unwrap_or_default();
        let while_ = |is: fn(char) -> bool| rest.iter().take_while(|letter| is(**letter)).count();
        if matches!(first, ' ' | '\t' | '\r' | '\n') {
            at += 1;
            continue;
        }
        let (word, length) = if first.is_ascii_digit() {
            number(rest, column)?
        } else if first.is_ascii_alphabetic() {
            let length = while_(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            (Word::Name(rest.iter().take(length).collect()), length)
        } else {
            let begins = |sign: &&&str| rest.iter().take(sign.len()).copied().eq(sign.chars());
            match SIGNS.iter().find(begins) {
                Some(sign) => (Word::Sign(sign), sign.len()),
                None => return Err(BadClaim::at(column, format!("{first:?} has no meaning here"))),
            }
        };
        tokens.push(Token { word, column });
        at += length;
    }
    tokens.push(Token { word: Word::End, column: letters.len() + 1 });
    Ok(tokens)
}

fn number(rest: &[char], column: usize) -> Result<(Word, usize), BadClaim> {
    let digits = |from: usize| rest.iter().skip(from).take_while(|letter| letter.is_ascii_digit()).count();
    let whole = digits(0);
    if rest.get(whole) != Some(&'.') {
        return Ok((Word::Number(rest.iter().take(whole).collect()), whole));
    }
    let parts = digits(whole + 1);
    if parts == 0 {
        return Err(BadClaim::at(column + whole, "digits must follow the point"));
    }
    let length = whole + 1 + parts;
    Ok((Word::Number(rest.iter().take(length).collect()), length))
}
