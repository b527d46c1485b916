//! Joins the words of a text into statements: an opener ("with", "no", "pre"), what stands in its scope, and what that
//! says.

use super::contrast_tables::Kind;
use super::kinds::{Word, is_before, is_negative, is_object, is_opener, is_timing, words};
use super::tokens::Token;

/// Whether a text speaks of one series or of the whole study, which may hold series of both kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    /// Series Description, Protocol Name.
    Series,
    /// Study Description, the request and the procedure.
    Study,
}

/// What one statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// "With contrast", "post contrast", "C+".
    With,
    /// Words that imply contrast: a phase, angiography, the name of an agent.
    Implied,
    /// "Without contrast", "native", "C-".
    Without,
    /// "With and without".
    Both,
    /// Oral or rectal contrast.
    Oral,
    VirtualNative,
    CalciumScore,
    Tracking,
    Scout,
}

/// A statement and its place: the indices of its first token and of the one after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement {
    pub mark: Mark,
    pub from: usize,
    pub to: usize,
}

/// All statements of `tokens`, from left to right.
pub(super) fn statements(tokens: &[Token], level: Level) -> Vec<Statement> {
    let mut reader = Reader { tokens, words: words(tokens), series: level == Level::Series, found: Vec::new() };
    let mut at = 0;
    while at < reader.words.len() {
        at = reader.step(at).max(at + 1);
    }
    reader.found
}

/// What stands in the scope of an opener.
#[derive(Debug, Clone, Copy, Default)]
struct Scope {
    /// Index of the word after the last.
    to: usize,
    /// The contrast medium or the vein is named.
    vascular: bool,
    /// The medium is named by a word that needs no opener.
    strong: bool,
    iv: bool,
    /// Something is named and the vein with it, as in "iv con".
    named_iv: bool,
    oral: bool,
}

impl Scope {
    fn is_empty(self) -> bool {
        !(self.vascular || self.oral)
    }
}

struct Reader<'t> {
    tokens: &'t [Token],
    words: Vec<Word>,
    series: bool,
    found: Vec<Statement>,
}

impl Reader<'_> {
    fn kind(&self, at: usize) -> Option<Kind> {
        self.words.get(at).map(|word| word.kind)
    }

    fn text(&self, at: usize) -> &str {
        self.words.get(at).and_then(|word| self.tokens.get(word.from)).map_or("", |token| token.text.as_str())
    }

    /// Adds a statement over the words `from..to`.
    fn add(&mut self, mark: Mark, from: usize, to: usize) {
        let first = self.words.get(from).map(|word| word.from);
        let last = to.checked_sub(1).and_then(|last| self.words.get(last)).map(|word| word.to);
        if let (Some(from), Some(to)) = (first, last) {
            self.found.push(Statement { mark, from, to });
        }
    }

    /// Reads what begins at `at`, and says where to go on.
    fn step(&mut self, at: usize) -> usize {
        let Some(kind) = self.kind(at) else { return at + 1 };
        let mark = match kind {
            _ if is_opener(kind) => return self.opened(at),
            _ if is_object(kind) => return self.named(at),
            Kind::Native => return self.native(at),
            Kind::Given => Mark::With,
            Kind::Both => Mark::Both,
            Kind::Phase => Mark::Implied,
            Kind::PhaseShort if self.series => Mark::Implied,
            Kind::VirtualNative => Mark::VirtualNative,
            Kind::CalciumScore => Mark::CalciumScore,
            Kind::Tracking => Mark::Tracking,
            Kind::Scout => Mark::Scout,
            _ => return at + 1,
        };
        self.add(mark, at, at + 1);
        at + 1
    }

    /// "Native", and "native/contrast", which is both. In "non contrast iv" the vein belongs to what is denied.
    fn native(&mut self, at: usize) -> usize {
        let of_vein = self.kind(at + 1) == Some(Kind::Iv) && !self.kind(at + 2).is_some_and(is_object);
        let to = at + 1 + usize::from(of_vein);
        self.add(Mark::Without, at, to);
        if self.kind(to) == Some(Kind::Join)
            && let Some(Kind::Weak | Kind::Contrast | Kind::Iv | Kind::Phase | Kind::PhaseShort) = self.kind(to + 1)
        {
            self.add(Mark::With, to + 1, to + 2);
            return to + 2;
        }
        to
    }

    /// An opener and its scope.
    fn opened(&mut self, at: usize) -> usize {
        let Some(mut opener) = self.kind(at) else { return at + 1 };
        let mut to = at + 1;
        let mut both = false;
        loop {
            let next = self.after_joins(to);
            let joined = next > to;
            match self.kind(next) {
                // "Post with contrast": the preposition of the scan, not of the contrast.
                Some(kind) if is_timing(opener) && !is_timing(kind) && is_opener(kind) && !joined => return next,
                Some(Kind::Not) if joined || is_negative(opener) => break,
                // "With no contrast", "not with contrast".
                Some(Kind::Not) => opener = Kind::Not,
                Some(kind) if is_opener(kind) && opener == Kind::Not && !joined => {}
                Some(kind) if is_opener(kind) && opener != Kind::Not => {
                    both |= is_negative(kind) != is_negative(opener);
                    opener = more_general(opener, kind);
                }
                // "With plain", "w/ and noncontrast".
                Some(Kind::Native) if !is_negative(opener) && (joined || opener != Kind::WithBefore) => both = true,
                // "No postcontrast"; "wo wc" is both.
                Some(Kind::Given) if opener == Kind::Not && !joined => {
                    self.add(Mark::Without, at, next + 1);
                    return next + 1;
                }
                _ => break,
            }
            to = next + 1;
        }
        let scope = self.scope(to);
        // Two single letters are no statement: "s c" is no Slavic "with c".
        let letters = is_before(opener) && self.text(at).len() == 1 && self.text(to).len() == 1;
        if scope.is_empty() || letters {
            return if both { self.both_bare(at, to) } else { self.bare(opener, at, to) };
        }
        let denied = self.denial_after(scope.to);
        let mark = match (both, is_negative(opener)) {
            (true, _) if scope.vascular => Some(Mark::Both),
            (false, true) if scope.vascular => Some(Mark::Without),
            (false, false) if scope.vascular => Some(if denied.is_some() { Mark::Without } else { Mark::With }),
            (_, true) => None,
            _ => Some(Mark::Oral),
        };
        let to = denied.unwrap_or(scope.to);
        if let Some(mark) = mark {
            self.add(mark, at, to);
        }
        to
    }

    /// "With and without" and nothing that is named: the contrast, save before reconstructions.
    fn both_bare(&mut self, at: usize, to: usize) -> usize {
        let timing = self.kind(at).is_some_and(is_timing);
        if timing && self.names(Kind::Procedure) {
            return to;
        }
        if self.kind(to) == Some(Kind::Recon) {
            return to + 1;
        }
        self.add(Mark::Both, at, to);
        to
    }

    /// An opener with nothing named behind it.
    fn bare(&mut self, opener: Kind, at: usize, to: usize) -> usize {
        let next = self.kind(to);
        let mark = match opener {
            Kind::Without => match next {
                // "Chest wo 3D" is the examination without contrast and its 3D; "wo 3D recons" is not.
                Some(Kind::Recon) if !(self.text(to) == "3d" && self.kind(to + 1).is_none()) => return to + 1,
                Some(Kind::Nothing | Kind::Procedure) => return to + 1,
                _ => Some(Mark::Without),
            },
            Kind::With => self.bare_with(to).then_some(Mark::With),
            Kind::Pre | Kind::Post if self.is_time_of_series(to) => {
                Some(if opener == Kind::Pre { Mark::Without } else { Mark::With })
            }
            _ => None,
        };
        if let Some(mark) = mark {
            self.add(mark, at, to);
        }
        // What a negation stands before is denied, so it says nothing by itself.
        let denied = is_negative(opener) && matches!(next, Some(Kind::Phase | Kind::PhaseShort | Kind::Hint));
        if denied { to + 1 } else { to }
    }

    /// Whether a "with" before the word at `to` means the contrast.
    fn bare_with(&self, to: usize) -> bool {
        match self.kind(to) {
            None | Some(Kind::Protocol | Kind::Phase | Kind::Native) => true,
            Some(Kind::PhaseShort | Kind::Plane) => self.series,
            Some(Kind::Modality) => self.kind(to + 1).is_none() && !self.names(Kind::Nuclear),
            // "W400" is a window.
            Some(Kind::Number) => !self.is_glued(to),
            // "Abdomen w pelvis w": each part has its own.
            Some(Kind::Anatomy) => {
                self.text(to - 1) == "w" && (to..self.words.len()).any(|later| self.is_bare_opener(later))
            }
            Some(Kind::Join) => {
                let next = self.after_joins(to);
                self.text(to) == "+"
                    || matches!(self.kind(next), None | Some(Kind::Anatomy | Kind::Protocol))
                    || (self.kind(next) == Some(Kind::Number) && !self.is_glued(next))
            }
            _ => false,
        }
    }

    /// Whether "pre" or "post" before the word at `to` speaks of the contrast, where no procedure is named: alone, or in
    /// the words of a series before its part or plane.
    fn is_time_of_series(&self, to: usize) -> bool {
        // "Post/3 mm": a slash parts as a space does.
        let slashes = (to..self.words.len()).take_while(|at| self.text(*at) == "/").count();
        let of_contrast = match self.kind(to + slashes) {
            None | Some(Kind::Number) => true,
            Some(Kind::Anatomy | Kind::Plane | Kind::Protocol | Kind::Hint | Kind::Phase | Kind::PhaseShort) => {
                self.series
            }
            _ => false,
        };
        of_contrast && !self.names(Kind::Procedure)
    }

    fn names(&self, kind: Kind) -> bool {
        self.words.iter().any(|word| word.kind == kind)
    }

    fn is_bare_opener(&self, at: usize) -> bool {
        matches!(self.kind(at), Some(Kind::With | Kind::Without | Kind::Both))
    }

    /// Whether nothing parts the word at `at` from the one before.
    fn is_glued(&self, at: usize) -> bool {
        let Some(token) = self.words.get(at).map(|word| word.from) else { return false };
        let before = token.checked_sub(1).and_then(|before| self.tokens.get(before));
        before.zip(self.tokens.get(token)).is_some_and(|(before, own)| before.end == own.start)
    }

    /// The medium or a route without an opener before it.
    fn named(&mut self, at: usize) -> usize {
        let scope = self.scope(at);
        if scope.to <= at {
            return at + 1;
        }
        let plus = at.checked_sub(1).is_some_and(|before| self.text(before) == "+");
        let with = scope.named_iv || (scope.iv && scope.oral) || (plus && scope.vascular);
        let mark = match () {
            () if with => Some(Mark::With),
            () if scope.strong && self.kind(at) == Some(Kind::Enhanced) => Some(Mark::With),
            () if scope.strong => Some(Mark::Implied),
            () if scope.iv && self.is_iv_alone(scope.to) => Some(Mark::With),
            () if scope.oral => Some(Mark::Oral),
            () => None,
        };
        let denied = self.denial_after(scope.to).filter(|_| scope.vascular);
        match (mark, denied) {
            (Some(Mark::With | Mark::Implied), Some(to)) => self.add(Mark::Without, at, to),
            (Some(mark), _) => self.add(mark, at, scope.to),
            (None, _) => {}
        }
        denied.unwrap_or(scope.to)
    }

    /// Whether an "iv" with nothing named, before the word at `to`, says that there was an injection.
    fn is_iv_alone(&self, to: usize) -> bool {
        match self.kind(to) {
            Some(Kind::Protocol) => true,
            None | Some(Kind::Number | Kind::Plane) => self.series,
            _ => false,
        }
    }

    /// The end of a denial behind a medium ("contrast: none"), which must not itself deny something that follows.
    fn denial_after(&self, to: usize) -> Option<usize> {
        let at = self.after_joins(to);
        // "Omnipaque 350 0 ml": the number behind an agent is its concentration.
        let agent = to.checked_sub(1).and_then(|before| self.kind(before)) == Some(Kind::Agent);
        let concentration = agent && self.kind(at) == Some(Kind::Number) && self.kind(at + 1) == Some(Kind::NoAfter);
        let at = at + usize::from(concentration);
        match self.kind(at)? {
            Kind::NoAfter => Some(at + 1),
            // "Contrast not injected".
            Kind::Not if self.kind(at + 1) == Some(Kind::Enhanced) => Some(at + 2),
            Kind::Not if self.scope(at + 1).is_empty() && !self.kind(at + 1).is_some_and(is_opener) => Some(at + 1),
            _ => None,
        }
    }

    fn after_joins(&self, from: usize) -> usize {
        let joins = self.words.iter().skip(from).take_while(|word| word.kind == Kind::Join).count();
        from + joins
    }

    /// What is named from `from` on, through joins and fillers. Between joins one group: "oral contrast" is oral,
    /// "oral and iv contrast" is both, "contrast & oral" is both.
    fn scope(&self, from: usize) -> Scope {
        let mut scope = Scope { to: from, ..Scope::default() };
        let mut at = from;
        loop {
            let start = at;
            let mut group = Group::default();
            while let Some(kind) = self.kind(at).filter(|kind| *kind == Kind::Filler || is_object(*kind)) {
                // "Non-contrast, enhanced": an adjective behind a join stands for itself.
                if kind == Kind::Enhanced && start > from && at == start {
                    break;
                }
                group.take(kind, self.series);
                at += 1;
                if kind != Kind::Filler {
                    scope.to = at;
                }
            }
            group.into_scope(&mut scope);
            let leading = start == from && at == from;
            let next = self.after_joins(at);
            if next == at
                || (leading && self.text(at) != "/")
                || !self.kind(next).is_some_and(|kind| is_object(kind) || kind == Kind::Filler)
            {
                return scope;
            }
            if self.kind(next) == Some(Kind::Enhanced) && !leading {
                return scope;
            }
            at = next;
        }
    }
}

/// What stands between two joins.
#[derive(Debug, Default)]
struct Group {
    medium: bool,
    strong: bool,
    iv: bool,
    oral: bool,
}

impl Group {
    fn take(&mut self, kind: Kind, series: bool) {
        match kind {
            Kind::Contrast | Kind::Agent | Kind::Enhanced => (self.medium, self.strong) = (true, true),
            Kind::Dose => (self.medium, self.strong) = (true, self.strong || series),
            Kind::Weak => self.medium = true,
            Kind::Iv => self.iv = true,
            Kind::Oral => self.oral = true,
            _ => {}
        }
    }

    fn into_scope(self, scope: &mut Scope) {
        let vascular = self.iv || (self.medium && !self.oral);
        scope.vascular |= vascular;
        scope.strong |= vascular && self.strong;
        scope.iv |= self.iv;
        scope.named_iv |= self.iv && self.medium;
        scope.oral |= self.oral;
    }
}

/// Of two openers of one scope the one that may stand alone.
fn more_general(first: Kind, second: Kind) -> Kind {
    if matches!(second, Kind::With | Kind::Without) { second } else { first }
}
