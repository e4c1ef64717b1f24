//! Tables whose rows are named by typed ids, so that a give is never looked up among the takes.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// The name of a row in a [`Table`].
pub(crate) trait Id: Copy + Ord {
    fn of(row: usize) -> Self;
    fn row(self) -> usize;
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(u32);
        impl Id for $name {
            // Instances are bounded far below 2^32 rows (see `instance`).
            #[allow(clippy::cast_possible_truncation)]
            fn of(row: usize) -> Self {
                Self(row as u32)
            }
            fn row(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

id! {
    /// A good of the market.
    GoodId,
    /// An offer, by the order of agents' names.
    PartyId,
    /// A good that a party gives.
    GiveId,
    /// A want of a party.
    WantId,
    /// One alternative of a want.
    TakeId,
    /// A party receiving by one take and giving by one give: its place in a ring.
    SeatId,
    /// The seats that receive one good and give another.
    LaneId,
    /// A node of a network or of a flow.
    NodeId,
    /// An arc of a flow; its reverse is the one that was made with it.
    ArcId,
    /// A row of a packing programme, and a place in its basis.
    LineId,
    /// A column of a packing programme.
    ColumnId,
    /// A step of a roadmap, by the order of names.
    StepRow,
    /// What steps of a roadmap share.
    ResourceRow,
}

/// Rows, each named by the id that it got when it was pushed.
#[derive(Debug, Clone)]
pub(crate) struct Table<I, T> {
    rows: Vec<T>,
    named_by: PhantomData<I>,
}

impl<I: Id, T> Table<I, T> {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new(), named_by: PhantomData }
    }

    /// As many rows as `like` has, all the same.
    pub(crate) fn like<U>(like: &Table<I, U>, row: T) -> Self
    where
        T: Clone,
    {
        Self { rows: vec![row; like.len()], named_by: PhantomData }
    }

    /// As many rows as asked for, all the same.
    pub(crate) fn of(rows: usize, row: T) -> Self
    where
        T: Clone,
    {
        Self { rows: vec![row; rows], named_by: PhantomData }
    }

    pub(crate) fn push(&mut self, row: T) -> I {
        self.rows.push(row);
        I::of(self.rows.len() - 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = I> + use<I, T> {
        (0..self.rows.len()).map(I::of)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.rows.iter().enumerate().map(|(row, t)| (I::of(row), t))
    }

    pub(crate) fn fill(&mut self, row: T)
    where
        T: Clone,
    {
        self.rows.fill(row);
    }
}

// Ids come from `push`, or from `ids` of a table of the same kind of rows: they are in range. These two
// are the crate's only unchecked look-ups.
#[allow(clippy::indexing_slicing)]
impl<I: Id, T> Index<I> for Table<I, T> {
    type Output = T;
    fn index(&self, id: I) -> &T {
        &self.rows[id.row()]
    }
}
#[allow(clippy::indexing_slicing)]
impl<I: Id, T> IndexMut<I> for Table<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.rows[id.row()]
    }
}
