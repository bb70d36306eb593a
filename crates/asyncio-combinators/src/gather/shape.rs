//! What can be gathered: tuples, arrays, vectors, iterators.

use std::future::{Future, IntoFuture};

use asyncio_executor::TaskError;

use crate::child::{self, Child, Control};

/// Marks the shapes that are iterators, so that they do not overlap with tuples, arrays and vectors.
#[derive(Debug)]
pub struct Iterated(());

/// Something whose futures can be gathered. The marker `M` is inferred.
pub trait Shape<M> {
    /// The children, each with the right to its outcome.
    type Children: Children;
    /// Makes tasks of the futures, in order.
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "the shapes are those of this crate")]
    fn adopt(self, controls: &mut Vec<Control>) -> Self::Children;
}

/// The children of a gather.
pub trait Children: 'static {
    /// Their values, in the shape that they were given in.
    type Output: 'static;
    /// Their outcomes, in the shape that they were given in.
    type Results: 'static;
    /// The values of children that have all ended with one.
    #[doc(hidden)]
    fn outputs(self) -> Result<Self::Output, TaskError>;
    /// The outcomes of children that have all ended.
    #[doc(hidden)]
    fn results(self) -> Self::Results;
    /// How the child at `index` failed.
    #[doc(hidden)]
    fn error(self, index: usize) -> TaskError;
}

#[track_caller]
fn adopt<F>(future: F, controls: &mut Vec<Control>) -> Child<F::IntoFuture>
where
    F: IntoFuture,
    F::IntoFuture: 'static,
    F::Output: 'static,
{
    let (child, control) = child::adopt(future.into_future());
    controls.push(control);
    child
}

/// The error of a child that was found to have failed.
fn error<F: Future>(child: Child<F>) -> TaskError {
    match child.outcome() {
        Err(error) => error,
        Ok(_) => unreachable!("a child that failed has no value"),
    }
}

impl<F> Children for Vec<Child<F>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    type Output = Vec<F::Output>;
    type Results = Vec<Result<F::Output, TaskError>>;

    fn outputs(self) -> Result<Self::Output, TaskError> {
        self.into_iter().map(Child::outcome).collect()
    }

    fn results(self) -> Self::Results {
        self.into_iter().map(Child::outcome).collect()
    }

    fn error(mut self, index: usize) -> TaskError {
        error(self.swap_remove(index))
    }
}

impl<F, const N: usize> Children for [Child<F>; N]
where
    F: Future + 'static,
    F::Output: 'static,
{
    type Output = [F::Output; N];
    type Results = [Result<F::Output, TaskError>; N];

    fn outputs(self) -> Result<Self::Output, TaskError> {
        let values: Vec<F::Output> = self.into_iter().map(Child::outcome).collect::<Result<_, _>>()?;
        Ok(values.try_into().unwrap_or_else(|_| unreachable!("as many values as children")))
    }

    fn results(self) -> Self::Results {
        self.map(Child::outcome)
    }

    fn error(self, index: usize) -> TaskError {
        match self.into_iter().nth(index) {
            Some(child) => error(child),
            None => unreachable!("the child that failed is one of the children"),
        }
    }
}

impl<F> Shape<()> for Vec<F>
where
    F: IntoFuture,
    F::IntoFuture: 'static,
    F::Output: 'static,
{
    type Children = Vec<Child<F::IntoFuture>>;

    #[expect(private_interfaces, reason = "the shapes are those of this crate")]
    fn adopt(self, controls: &mut Vec<Control>) -> Self::Children {
        controls.reserve_exact(self.len());
        self.into_iter().map(|future| adopt(future, controls)).collect()
    }
}

impl<F, const N: usize> Shape<()> for [F; N]
where
    F: IntoFuture,
    F::IntoFuture: 'static,
    F::Output: 'static,
{
    type Children = [Child<F::IntoFuture>; N];

    #[expect(private_interfaces, reason = "the shapes are those of this crate")]
    fn adopt(self, controls: &mut Vec<Control>) -> Self::Children {
        self.map(|future| adopt(future, controls))
    }
}

impl<I> Shape<Iterated> for I
where
    I: Iterator,
    I::Item: IntoFuture,
    <I::Item as IntoFuture>::IntoFuture: 'static,
    <I::Item as IntoFuture>::Output: 'static,
{
    type Children = Vec<Child<<I::Item as IntoFuture>::IntoFuture>>;

    #[expect(private_interfaces, reason = "the shapes are those of this crate")]
    fn adopt(self, controls: &mut Vec<Control>) -> Self::Children {
        // First all futures, then all tasks: making a future may run code of the caller's.
        let futures: Vec<I::Item> = self.collect();
        Shape::<()>::adopt(futures, controls)
    }
}

macro_rules! tuple {
    ($($name:ident $at:tt),*) => {
        impl<$($name),*> Children for ($(Child<$name>,)*)
        where
            $($name: Future + 'static, $name::Output: 'static,)*
        {
            type Output = ($($name::Output,)*);
            type Results = ($(Result<$name::Output, TaskError>,)*);

            fn outputs(self) -> Result<Self::Output, TaskError> {
                Ok(($(self.$at.outcome()?,)*))
            }

            fn results(self) -> Self::Results {
                ($(self.$at.outcome(),)*)
            }

            fn error(self, index: usize) -> TaskError {
                match index {
                    $($at => error(self.$at),)*
                    _ => unreachable!("the child that failed is one of the children"),
                }
            }
        }

        impl<$($name),*> Shape<()> for ($($name,)*)
        where
            $($name: IntoFuture, $name::IntoFuture: 'static, $name::Output: 'static,)*
        {
            type Children = ($(Child<$name::IntoFuture>,)*);

            #[expect(private_interfaces, reason = "the shapes are those of this crate")]
            fn adopt(self, controls: &mut Vec<Control>) -> Self::Children {
                ($(adopt(self.$at, controls),)*)
            }
        }
    };
}

/// No futures: done at once.
impl Children for () {
    type Output = ();
    type Results = ();

    fn outputs(self) -> Result<(), TaskError> {
        Ok(())
    }

    fn results(self) {}

    fn error(self, _: usize) -> TaskError {
        unreachable!("no child can have failed")
    }
}

impl Shape<()> for () {
    type Children = ();

    #[expect(private_interfaces, reason = "the shapes are those of this crate")]
    fn adopt(self, _: &mut Vec<Control>) {}
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, N 11);
