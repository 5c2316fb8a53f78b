//! Copying what members lack in a range of buckets.

use futures::FutureExt;
use futures::future::join_all;
use quorate_register::{MemberSet, PageRequest, ReplicaError};

use super::compare::{Class, Range};
use super::round::{Round, Superseded};
use crate::membership::Target;
use crate::merge::{Newest, Source, lacked_by, merge};

impl<'a> Round<'a> {
    /// Reads a range at one member of each class, page by page, and writes each key's newest pair
    /// to the members of those classes that lack it.
    pub(super) async fn copy(&self, range: &Range) -> Result<(), Superseded> {
        let all = range.classes.iter();
        let all = all.fold(MemberSet::EMPTY, |all, class| all.union(class.members));
        let readers: Vec<_> = range.classes.iter().map(|it| self.reader(it)).collect();
        let begin = |class: &Class| match class.empty {
            true => Source::empty(class.members),
            false => Source::new(class.members),
        };
        let mut sources: Vec<Source> = range.classes.iter().map(begin).collect();
        loop {
            let empty = sources.iter_mut().zip(&readers);
            let empty = empty.filter(|(source, _)| source.must_read());
            let reads = empty.map(|(source, &reader)| self.read(reader, range, source).boxed());
            let reads: Vec<_> = reads.collect();
            for read in join_all(reads).await {
                if let (reader, Err(error)) = read {
                    self.left_undone(all);
                    return self.failed(reader, error);
                }
            }
            let mut lacked = merge(&mut sources);
            lacked.retain(|newest| newest.holders != all);
            self.write(&lacked, all).await?;
            if sources.iter().all(Source::is_done) {
                return Ok(());
            }
        }
    }

    /// Whom of a class to read: another one in each round.
    fn reader(&self, class: &Class) -> usize {
        let asked: Vec<_> = class.members.iter().filter(|&it| self.asks(it)).collect();
        match asked.len() {
            // Asked all the same, which ends the range as it should.
            0 => class.members.iter().next().unwrap_or_default(),
            members => asked[(self.number % members as u64) as usize],
        }
    }

    /// Reads the next page.
    async fn read(
        &self,
        reader: usize,
        range: &Range,
        source: &mut Source,
    ) -> (usize, Result<(), ReplicaError>) {
        let options = &self.repairer.parts.options;
        let request = &PageRequest {
            after: source.after().cloned(),
            buckets: range.buckets,
            max_bytes: options.page_bytes,
        };
        let limit = options.request_timeout;
        let scan = |target: &'a Target| target.replica.scan(&target.fence, request, limit);
        let read = self.ask(reader, scan).await.map(|page| {
            self.repairer.parts.metrics.read(page.pairs.len());
            source.take(page);
        });
        (reader, read)
    }

    /// Writes what is lacked, so many keys a second as the options say. A member that fails is
    /// written to no more.
    async fn write(&self, lacked: &[Newest], members: MemberSet) -> Result<(), Superseded> {
        if lacked.is_empty() {
            return Ok(());
        }
        let rate = self.repairer.rate();
        self.repairer.pace.turn(lacked.len(), rate).await;
        let writes = members
            .iter()
            .map(|member| self.write_to(member, lacked).boxed());
        join_all(writes).await.into_iter().collect()
    }

    /// Writes to one member what it lacks.
    async fn write_to(&self, member: usize, lacked: &[Newest]) -> Result<(), Superseded> {
        let limit = self.repairer.parts.options.request_timeout;
        for writes in &lacked_by(member, lacked, self.view.config().epoch()) {
            if !self.asks(member) {
                break;
            }
            let send =
                |target: &'a Target| target.replica.local_write_all(&target.fence, writes, limit);
            match self.ask(member, send).await {
                Ok(()) => self.copied(member, writes.pairs.len() as u64),
                Err(error) => self.failed(member, error)?,
            }
        }
        Ok(())
    }
}
