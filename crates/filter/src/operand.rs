//! A part of an expression on the way to a whole one, and what may be done with it.
//!
//! Source: the checks of Java's `ComparisonExpression` and `UnaryExpression`.

use crate::{
    error::Problem,
    filter::DEPTH_MAX,
    node::Node,
    value::{Value, compare_numbers},
};

/// What Java takes a part of an expression for; it decides what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The name of a property.
    Property,
    /// A number or a text.
    Constant,
    /// `TRUE`, `FALSE` or `NULL`: a constant and a condition.
    TruthConstant,
    /// A condition.
    Condition,
    /// Something with a sign before it: of no kind, even if it is a number.
    Signed,
}

/// A part of an expression.
#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) node: Node,
    pub(crate) kind: Kind,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// How deep it is nested.
    pub(crate) depth: usize,
}

impl Operand {
    /// A part that has no parts.
    pub(crate) fn leaf(node: Node, kind: Kind, at: usize) -> Self {
        Operand { node, kind, at, depth: 1 }
    }

    /// A condition made of parts, the deepest of which has `depth`.
    pub(crate) fn condition(node: Node, at: usize, depth: usize) -> Result<Self, Problem> {
        if depth >= DEPTH_MAX {
            return Err(Problem::TooDeep);
        }
        Ok(Operand { node, kind: Kind::Condition, at, depth: depth + 1 })
    }

    /// What may stand beside AND, OR and NOT, and be the whole.
    pub(crate) fn into_condition(self, what: impl Fn(usize) -> String) -> Result<Node, (usize, Problem)> {
        match (self.kind, self.node) {
            (Kind::Condition | Kind::TruthConstant, node) => Ok(node),
            (Kind::Property, Node::Property(index)) => Ok(Node::IsTrue(index)),
            _ => Err((self.at, Problem::NotACondition { what: what(self.at) })),
        }
    }

    /// What may stand beside `<`, `<=`, `>` and `>=`.
    pub(crate) fn check_order(&self, what: impl Fn(usize) -> String) -> Result<(), (usize, Problem)> {
        let is_number = matches!(self.node, Node::Int(_) | Node::Long(_) | Node::Double(_));
        match self.kind {
            Kind::Property | Kind::Signed => Ok(()),
            Kind::Constant if is_number => Ok(()),
            _ => Err((self.at, Problem::NoOrder { what: what(self.at) })),
        }
    }

    /// What may stand beside `=` and `<>`.
    pub(crate) fn check_equal(
        &self,
        right: &Operand,
        what: impl Fn(usize) -> String,
    ) -> Result<(), (usize, Problem)> {
        let is_null =
            |operand: &Operand| operand.kind == Kind::TruthConstant && matches!(operand.node, Node::Null);
        if let Some(null) = [self, right].into_iter().find(|operand| is_null(operand)) {
            return Err((null.at, Problem::NullCompared));
        }
        if self.kind == Kind::TruthConstant && right.kind == Kind::Constant {
            return Err((self.at, Problem::TruthCompared { what: what(self.at) }));
        }
        Ok(())
    }

    /// What may stand in `BETWEEN self AND high`, after [`Operand::check_order`] of both.
    pub(crate) fn check_between(
        &self,
        high: &Operand,
        what: impl Fn(usize) -> String,
    ) -> Result<(), (usize, Problem)> {
        if self.kind != Kind::Constant || high.kind != Kind::Constant {
            return Ok(());
        }
        let (Some(low_value), Some(high_value)) = (number(&self.node), number(&high.node)) else {
            return Ok(());
        };
        if compare_numbers(high_value, low_value).is_some_and(|order| order.is_lt()) {
            let (low, high) = (what(self.at), what(high.at));
            return Err((self.at, Problem::NothingBetween { low, high }));
        }
        Ok(())
    }
}

fn number(node: &Node) -> Option<Value<'static>> {
    match node {
        Node::Int(number) => Some(Value::Int(*number)),
        Node::Long(number) => Some(Value::Long(*number)),
        Node::Double(number) => Some(Value::Double(*number)),
        _ => None,
    }
}
