//! From words to a compiled expression.
//!
//! | rule | is |
//! |---|---|
//! | or | and, `OR` and … |
//! | and | equality, `AND` equality … |
//! | equality | comparison, then any of `= comparison`, `<> comparison`, `IS [NOT] NULL` |
//! | comparison | unary, then any of `> unary` (`>=`, `<`, `<=`), `[NOT] BETWEEN unary AND unary`, `[NOT] IN (text, …)`, `[NOT] CONTAINS text` (`STARTSWITH`, `ENDSWITH`) |
//! | unary | `+ unary`, `- unary`, `NOT unary`, or a constant, a property, `( or )` |
//!
//! Source: the grammar of Java's `SelectorParser` and the checks of its expressions. One thing is different: Java's parser
//! stops where an expression is whole and leaves the rest unread (`a > 5 b < 3` is `a > 5`); here it is refused, so that
//! no one waits for messages by half a condition.

use memchr::memmem::Finder;

use crate::{
    error::{Problem, SqlError},
    filter::{DEPTH_MAX, PROPERTIES_MAX},
    names::Names,
    node::{Needle, Node, Relation, Search, TextSet},
    operand::{Kind, Operand},
    token::{Lexer, Token, Word},
};

/// What an expression is compiled to.
pub(crate) struct Parsed {
    pub(crate) condition: Node,
    pub(crate) names: Names,
    pub(crate) steps: usize,
    pub(crate) searches: usize,
}

/// Reads a whole expression.
pub(crate) fn parse(text: &str) -> Result<Parsed, SqlError> {
    let mut lexer = Lexer::new(text);
    let token = lexer.next()?;
    let mut parser =
        Parser { text, lexer, token, names: Names::default(), nesting: 0, steps: 0, searches: 0 };
    let whole = parser.or()?;
    let condition = parser.condition(whole)?;
    let rest = parser.text.get(parser.token.at..).unwrap_or_default();
    // A comment at the very end need not have the end of its line.
    if parser.token.word != Word::End && !rest.starts_with("--") {
        return Err(parser.error(Problem::Trailing { found: parser.found() }));
    }
    let Parser { names, steps, searches, .. } = parser;
    Ok(Parsed { condition, names, steps, searches })
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The one that comes next.
    token: Token<'a>,
    names: Names,
    /// Brackets, signs and NOTs that are open.
    nesting: usize,
    steps: usize,
    searches: usize,
}

impl<'a> Parser<'a> {
    fn or(&mut self) -> Result<Operand, SqlError> {
        self.joined(Word::Or, Self::and, Node::Or)
    }

    fn and(&mut self) -> Result<Operand, SqlError> {
        self.joined(Word::And, Self::equality, Node::And)
    }

    fn joined(
        &mut self,
        by: Word<'static>,
        part: fn(&mut Self) -> Result<Operand, SqlError>,
        whole: fn(Box<[Node]>) -> Node,
    ) -> Result<Operand, SqlError> {
        let first = part(self)?;
        if self.token.word != by {
            return Ok(first);
        }
        let (at, mut depth) = (first.at, first.depth);
        let mut conditions = vec![self.condition(first)?];
        while self.take(by)? {
            let next = part(self)?;
            depth = depth.max(next.depth);
            conditions.push(self.condition(next)?);
        }
        self.made(whole(conditions.into_boxed_slice()), at, depth)
    }

    fn equality(&mut self) -> Result<Operand, SqlError> {
        let mut left = self.comparison()?;
        loop {
            let not = match self.token.word {
                Word::Equal => false,
                Word::NotEqual => true,
                Word::Is => {
                    left = self.is_null(left)?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.comparison()?;
            left.check_equal(&right, |at| self.shown(at))
                .map_err(|(at, problem)| self.error_at(at, problem))?;
            let (at, depth) = (left.at, left.depth.max(right.depth));
            left = self.made(Node::Equal(Box::new([left.node, right.node])), at, depth)?;
            left.node = negated(left.node, not);
        }
    }

    fn is_null(&mut self, left: Operand) -> Result<Operand, SqlError> {
        self.advance()?;
        let not = self.take(Word::Not)?;
        self.expect(Word::Null, if not { "NULL" } else { "NULL or NOT NULL" })?;
        let (at, depth) = (left.at, left.depth);
        let mut made = self.made(Node::IsNull(Box::new(left.node)), at, depth)?;
        made.node = negated(made.node, not);
        Ok(made)
    }

    fn comparison(&mut self) -> Result<Operand, SqlError> {
        let mut left = self.unary()?;
        loop {
            let relation = match self.token.word {
                Word::Greater => Relation::Greater,
                Word::GreaterEqual => Relation::GreaterEqual,
                Word::Less => Relation::Less,
                Word::LessEqual => Relation::LessEqual,
                Word::Not | Word::Contains | Word::StartsWith | Word::EndsWith | Word::Between | Word::In => {
                    let not = self.take(Word::Not)?;
                    left = self.text_or_range(left, not)?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.unary()?;
            self.check_order(&left)?;
            self.check_order(&right)?;
            let (at, depth) = (left.at, left.depth.max(right.depth));
            left = self.made(Node::Order(relation, Box::new([left.node, right.node])), at, depth)?;
        }
    }

    /// What may stand behind `NOT` as well as without it.
    fn text_or_range(&mut self, left: Operand, not: bool) -> Result<Operand, SqlError> {
        let word = self.token.word;
        match word {
            Word::Between => self.between(left, not),
            Word::In => self.membership(left, not),
            Word::Contains | Word::StartsWith | Word::EndsWith => {
                self.advance()?;
                let text = self.text_constant()?;
                self.search(left, word, text, not)
            }
            _ => Err(self.unexpected("BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH")),
        }
    }

    fn search(
        &mut self,
        left: Operand,
        kind: Word<'_>,
        text: Box<[u8]>,
        not: bool,
    ) -> Result<Operand, SqlError> {
        let (at, depth) = (left.at, left.depth);
        // For Java nothing contains, begins or ends with an empty text, and nothing does not either.
        let node = if text.is_empty() {
            Node::Truth(false)
        } else {
            self.searches += 1;
            let needle = match kind {
                Word::StartsWith => Needle::AtStart(text),
                Word::EndsWith => Needle::AtEnd(text),
                _ => Needle::Inside(Box::new(Finder::new(&text).into_owned())),
            };
            Node::Search(Box::new(Search { value: left.node, needle, not }))
        };
        self.made(node, at, depth)
    }

    fn between(&mut self, value: Operand, not: bool) -> Result<Operand, SqlError> {
        self.advance()?;
        let low = self.unary()?;
        self.expect(Word::And, "AND and the higher value")?;
        let high = self.unary()?;
        for operand in [&value, &low, &high] {
            self.check_order(operand)?;
        }
        if !not {
            low.check_between(&high, |at| self.shown(at))
                .map_err(|(at, problem)| self.error_at(at, problem))?;
        }
        let (at, depth) = (value.at, value.depth.max(low.depth).max(high.depth));
        let parts = Box::new([value.node, low.node, high.node]);
        self.made(Node::Between { parts, not }, at, depth)
    }

    fn membership(&mut self, left: Operand, not: bool) -> Result<Operand, SqlError> {
        let Node::Property(property) = left.node else {
            let problem = Problem::InWithoutProperty { what: self.shown(left.at) };
            return Err(self.error_at(left.at, problem));
        };
        self.advance()?;
        self.expect(Word::Open, "'(' and texts in single quotes")?;
        let mut texts = vec![self.text_constant()?];
        while self.take(Word::Comma)? {
            texts.push(self.text_constant()?);
        }
        self.expect(Word::Close, "',' or ')'")?;
        self.made(Node::In { property, set: TextSet::new(texts), not }, left.at, left.depth)
    }

    fn unary(&mut self) -> Result<Operand, SqlError> {
        let at = self.token.at;
        match self.token.word {
            Word::Plus => {
                self.advance()?;
                self.nested(Self::unary)
            }
            Word::Minus => {
                self.advance()?;
                let operand = self.nested(Self::unary)?;
                self.signed(operand, at)
            }
            Word::Not => {
                self.advance()?;
                let operand = self.nested(Self::unary)?;
                let depth = operand.depth;
                let condition = self.condition(operand)?;
                self.made(Node::Not(Box::new(condition)), at, depth)
            }
            _ => self.primary(),
        }
    }

    fn signed(&self, operand: Operand, at: usize) -> Result<Operand, SqlError> {
        let is_condition = matches!(operand.kind, Kind::Condition);
        let depth = operand.depth + usize::from(is_condition);
        if depth > DEPTH_MAX {
            return Err(self.error_at(at, Problem::TooDeep));
        }
        let node = match operand.node {
            Node::Int(number) => Node::Int(number.wrapping_neg()),
            Node::Long(number) => Node::Long(number.wrapping_neg()),
            Node::Double(number) => Node::Double(-number),
            condition if is_condition => Node::Nothing(Box::new(condition)),
            nothing @ Node::Nothing(_) => nothing,
            _ => Node::Null,
        };
        Ok(Operand { node, kind: Kind::Signed, at, depth })
    }

    fn primary(&mut self) -> Result<Operand, SqlError> {
        let Token { word, at } = self.token;
        let (node, kind) = match word {
            Word::Open => {
                self.advance()?;
                let inner = self.nested(Self::or)?;
                self.expect(Word::Close, "')'")?;
                return Ok(Operand { at, ..inner });
            }
            Word::Name(name) => match self.names.number(name, PROPERTIES_MAX) {
                Some(number) => (Node::Property(number), Kind::Property),
                None => return Err(self.error(Problem::TooManyProperties)),
            },
            Word::Text(_) => (Node::Text(self.text_constant()?), Kind::Constant),
            Word::WholeNumber(text) => (self.whole_number(text)?, Kind::Constant),
            Word::Number(text) => (self.number(text)?, Kind::Constant),
            Word::True => (Node::Truth(true), Kind::TruthConstant),
            Word::False => (Node::Truth(false), Kind::TruthConstant),
            Word::Null => (Node::Null, Kind::TruthConstant),
            _ => return Err(self.unexpected("a property, a value, NOT, +, - or '('")),
        };
        if !matches!(word, Word::Text(_)) {
            self.advance()?;
        }
        self.steps += 1;
        Ok(Operand::leaf(node, kind, at))
    }

    fn whole_number(&self, text: &str) -> Result<Node, SqlError> {
        let digits = text.trim_end_matches(['l', 'L']);
        let number: i64 = digits.parse().map_err(|_| {
            self.error(Problem::WholeNumberTooLarge { text: self.lexer.shown(self.token.at) })
        })?;
        Ok(i32::try_from(number).map_or(Node::Long(number), Node::Int))
    }

    fn number(&self, text: &str) -> Result<Node, SqlError> {
        // Java's least value is greater than zero.
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
        let out_of_range = || self.error(Problem::NumberOutOfRange { text: self.lexer.shown(self.token.at) });
        number.map(Node::Double).ok_or_else(out_of_range)
    }

    fn text_constant(&mut self) -> Result<Box<[u8]>, SqlError> {
        let Word::Text(raw) = self.token.word else { return Err(self.unexpected("a text in single quotes")) };
        self.advance()?;
        Ok(raw.replace("''", "'").into_bytes().into_boxed_slice())
    }

    fn nested(&mut self, rule: fn(&mut Self) -> Result<Operand, SqlError>) -> Result<Operand, SqlError> {
        if self.nesting >= DEPTH_MAX {
            return Err(self.error(Problem::TooDeep));
        }
        self.nesting += 1;
        let operand = rule(self);
        self.nesting -= 1;
        operand
    }

    fn made(&mut self, node: Node, at: usize, depth: usize) -> Result<Operand, SqlError> {
        self.steps += 1;
        Operand::condition(node, at, depth).map_err(|problem| self.error_at(at, problem))
    }

    fn condition(&self, operand: Operand) -> Result<Node, SqlError> {
        operand.into_condition(|at| self.shown(at)).map_err(|(at, problem)| self.error_at(at, problem))
    }

    fn check_order(&self, operand: &Operand) -> Result<(), SqlError> {
        operand.check_order(|at| self.shown(at)).map_err(|(at, problem)| self.error_at(at, problem))
    }

    fn take(&mut self, word: Word<'_>) -> Result<bool, SqlError> {
        let is_there = self.token.word == word;
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    fn expect(&mut self, word: Word<'_>, expected: &'static str) -> Result<(), SqlError> {
        match self.take(word)? {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    fn advance(&mut self) -> Result<(), SqlError> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn unexpected(&self, expected: &'static str) -> SqlError {
        self.error(Problem::Unexpected { expected, found: self.found() })
    }

    fn found(&self) -> String {
        self.lexer.shown(self.token.at)
    }

    /// The word that begins at `at`, as errors show it.
    fn shown(&self, at: usize) -> String {
        let mut lexer = Lexer::new(self.text.get(at..).unwrap_or_default());
        match lexer.next() {
            Ok(Token { word: Word::Open, .. }) => "what stands in brackets".to_owned(),
            Ok(Token { at, .. }) => lexer.shown(at),
            Err(_) => "this".to_owned(),
        }
    }

    fn error(&self, problem: Problem) -> SqlError {
        self.error_at(self.token.at, problem)
    }

    fn error_at(&self, at: usize, problem: Problem) -> SqlError {
        SqlError::at(self.text, at, problem)
    }
}

fn negated(node: Node, not: bool) -> Node {
    if not { Node::Not(Box::new(node)) } else { node }
}
