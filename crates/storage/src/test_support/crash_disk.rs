//! A disk that fails as it is told to, and that can lose its power.
//!
//! The files are real ones in memory, so that the log reads them as ever. Beside them this disk remembers what
//! is durable: for each file its content at the last fsync and every write and cut since; for the directory its
//! entries at the last fsync and every state that they went through since. [`CrashDisk::power_failure`] puts in
//! place of the directory one that a machine may find after it:
//!
//! - the entries as they were at any moment since the directory was last made durable: a file system with a
//!   journal does not change their order;
//! - each file with each sector of 512 bytes as it was at any moment since the file was last made durable, some
//!   with an older end, and with a length that it had since or one between two of them.
//!
//! What is renamed, replaced or removed without the seam is seen at the next call of the disk; what is written
//! without it counts as one write.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::rng::Rng;
use crate::fs::{Disk, RealDisk};

const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const SECTOR: usize = 512;

/// What goes wrong next; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Writes take fewer bytes than given, and are interrupted.
    pub short_writes: bool,
    /// Bytes that can still be written before the disk is full.
    pub room: Option<u64>,
    /// Operations (writes, cuts, renames) until one fails.
    pub operations: Option<u32>,
    /// Fsyncs until one fails.
    pub syncs: Option<u32>,
    /// Neither descriptors nor memory are left, for a while. That is no fault of the disk's.
    pub exhaustion: Option<Exhaustion>,
}

/// When an operation (also the opening of a file) finds neither descriptors nor memory.
#[derive(Clone, Copy, Debug)]
pub struct Exhaustion {
    /// How many succeed before.
    pub after: u32,
    /// How many fail.
    pub count: u32,
}

/// So often something is not in memory, and a look must begin anew.
const COLD_ONE_IN: u64 = 8;

/// See the module's text.
pub struct CrashDisk {
    state: Mutex<State>,
}

struct State {
    /// The partition's directory.
    dir: PathBuf,
    rng: Rng,
    faults: Faults,
    /// Whether a fault has struck since they were set.
    struck: bool,
    /// Whether an exhaustion has, since that was set.
    exhausted: bool,
    /// By inode.
    files: HashMap<u64, Tracked>,
    /// Names and inodes; the first is durable.
    listings: Vec<BTreeMap<String, u64>>,
    /// How often the directory was made durable.
    dir_syncs: u64,
}

/// What is known of a file.
struct Tracked {
    /// Keeps the inode, also when nobody can find the file any more.
    file: File,
    durable: Vec<u8>,
    since: Vec<Change>,
    /// Whether nothing will be left but what is durable.
    loses_all: bool,
}

enum Change {
    Write { at: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl CrashDisk {
    /// A disk under the partition directory `dir`, which may not exist yet.
    pub fn new(dir: PathBuf, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                dir,
                rng: Rng::new(seed),
                faults: Faults::default(),
                struck: false,
                exhausted: false,
                files: HashMap::new(),
                listings: vec![BTreeMap::new()],
                dir_syncs: 0,
            }),
        })
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.state.lock();
        state.faults = faults;
        state.struck = false;
    }

    /// Sets when the process is exhausted; all other faults stay as they are.
    pub fn set_exhaustion(&self, exhaustion: Option<Exhaustion>) {
        let mut state = self.state.lock();
        state.faults.exhaustion = exhaustion;
        state.exhausted &= exhaustion.is_none();
    }

    /// Whether the process was exhausted when that was set the last time.
    pub fn exhausted(&self) -> bool {
        self.state.lock().exhausted
    }

    /// Whether anything has gone wrong since the faults were set.
    pub fn struck(&self) -> bool {
        self.state.lock().struck
    }

    /// Whether it was an fsync that failed.
    pub fn fsync_failed(&self) -> bool {
        let state = self.state.lock();
        state.struck && state.faults.syncs == Some(0)
    }

    /// How often the directory was made durable.
    pub fn dir_syncs(&self) -> u64 {
        self.state.lock().dir_syncs
    }

    /// Base offset of the first segment, as the directory was when it was last made durable.
    pub fn first_durable_segment(&self) -> Option<i64> {
        let state = self.state.lock();
        let names = state.listings.first()?.keys();
        names.filter_map(|name| name.strip_suffix(".log")?.parse().ok()).min()
    }

    /// Looks at the directory: what was renamed or removed without this disk is noted.
    pub fn look(&self) {
        self.state.lock().look();
    }

    /// Puts in place of the directory what a power failure may leave. Nobody may have its files open.
    pub fn power_failure(&self) {
        self.lose_power(|rng, listings| {
            let kept = rng.below(listings as u64) as usize;
            if rng.one_in(3) { listings - 1 } else { kept }
        });
    }

    /// The same, and nothing is left but what was made durable.
    pub fn power_failure_keeping_what_is_durable(&self) {
        self.state.lock().files.values_mut().for_each(|file| file.loses_all = true);
        self.lose_power(|_, _| 0);
    }

    fn lose_power(&self, listing: impl FnOnce(&mut Rng, usize) -> usize) {
        let mut state = self.state.lock();
        state.look();
        let State { dir, rng, files, listings, .. } = &mut *state;
        let kept = listing(rng, listings.len());
        let listing = std::mem::take(&mut listings[kept]);
        let content: Vec<(String, Vec<u8>)> = listing
            .into_iter()
            .map(|(name, inode)| {
                let file = files.get_mut(&inode).expect("every listed file is tracked");
                (name, file.survive(rng))
            })
            .collect();
        std::fs::remove_dir_all(&*dir).expect("remove");
        std::fs::create_dir(&*dir).expect("create");
        for (name, bytes) in &content {
            std::fs::write(dir.join(name), bytes).expect("write");
        }
        state.files.clear();
        state.faults = Faults::default();
        state.listings = vec![BTreeMap::new()];
        state.look();
        state.files.values_mut().for_each(Tracked::make_durable);
        let durable = state.listings.len() - 1;
        state.listings.drain(..durable);
    }
}

impl State {
    /// Notes the directory's entries if they have changed.
    fn look(&mut self) {
        let mut now = BTreeMap::new();
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        for entry in entries {
            let entry = entry.expect("entry");
            let inode = std::os::unix::fs::DirEntryExt::ino(&entry);
            // Gone since it was listed? Nobody else is at work here.
            self.files.entry(inode).or_insert_with(|| Tracked {
                file: File::open(entry.path()).expect("open"),
                durable: Vec::new(),
                since: Vec::new(),
                loses_all: false,
            });
            now.insert(entry.file_name().into_string().expect("name"), inode);
        }
        if self.listings.last() != Some(&now) {
            self.listings.push(now);
        }
    }

    /// What is known of `file`, with all that was written without this disk noted.
    fn tracked(&mut self, file: &File) -> io::Result<&mut Tracked> {
        Ok(match self.files.entry(file.metadata()?.ino()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Tracked {
                file: file.try_clone()?,
                durable: Vec::new(),
                since: Vec::new(),
                loses_all: false,
            }),
        })
    }

    /// An error if an operation is to fail now.
    fn operation(&mut self) -> io::Result<()> {
        self.exhaust(ENOMEM)?;
        let left = self.faults.operations;
        self.faults.operations = self.count_down(left)?;
        Ok(())
    }

    /// An error if the process is exhausted now.
    fn exhaust(&mut self, error: i32) -> io::Result<()> {
        match &mut self.faults.exhaustion {
            Some(Exhaustion { after: 0, count: 1.. }) => {}
            Some(Exhaustion { after: after @ 1.., .. }) => {
                *after -= 1;
                return Ok(());
            }
            _ => return Ok(()),
        }
        if let Some(exhaustion) = &mut self.faults.exhaustion {
            exhaustion.count -= 1;
        }
        self.exhausted = true;
        Err(io::Error::from_raw_os_error(error))
    }

    fn count_down(&mut self, left: Option<u32>) -> io::Result<Option<u32>> {
        match left {
            Some(0) => {
                self.struck = true;
                Err(io::Error::from_raw_os_error(EIO))
            }
            left => Ok(left.map(|left| left - 1)),
        }
    }

    /// How many of `len` bytes are taken.
    fn taken(&mut self, len: usize) -> io::Result<usize> {
        let mut taken = len;
        if self.faults.short_writes {
            if self.rng.one_in(4) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            taken = self.rng.between(1, len.max(1) as i64) as usize;
        }
        if let Some(room) = &mut self.faults.room {
            taken = taken.min(*room as usize);
            *room -= taken as u64;
            if taken == 0 {
                self.struck = true;
                return Err(io::Error::from_raw_os_error(ENOSPC));
            }
        }
        Ok(taken)
    }
}

impl Tracked {
    fn content(&self) -> Vec<u8> {
        let len = self.file.metadata().expect("stat").len() as usize;
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, 0).expect("read");
        bytes
    }

    fn make_durable(&mut self) {
        self.durable = self.content();
        self.since.clear();
    }

    /// The file's content after none of the changes, after the first, and so on.
    fn versions(&mut self) -> Vec<Vec<u8>> {
        let mut versions = vec![self.durable.clone()];
        for change in &self.since {
            let mut next = versions.last().cloned().unwrap_or_default();
            change.apply(&mut next);
            versions.push(next);
        }
        let now = self.content();
        if versions.last() != Some(&now) {
            versions.push(now);
        }
        versions
    }

    /// What may be left of the file.
    fn survive(&mut self, rng: &mut Rng) -> Vec<u8> {
        if self.loses_all {
            return self.durable.clone();
        }
        let mut versions = self.versions();
        match rng.below(4) {
            0 => versions.swap_remove(0),
            1 => versions.pop().unwrap_or_default(),
            // In order, and the last change torn.
            2 => {
                let at = rng.below(versions.len() as u64) as usize;
                let (old, new) = (&versions[at], versions.get(at + 1).unwrap_or(&versions[at]));
                let differs = old.iter().zip(new).position(|(a, b)| a != b).unwrap_or(old.len());
                let cut = rng.between(differs as i64, new.len().max(differs) as i64) as usize;
                let old_rest = old.get(cut..).unwrap_or_default();
                [new.get(..cut).unwrap_or(new), old_rest].concat()
            }
            _ => mixture(&versions, rng),
        }
    }
}

/// Every sector of any age, some torn, and a length of its own.
fn mixture(versions: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let count = versions.len() as u64;
    let at = rng.below(count) as usize;
    let (one, other) = (versions[at].len(), versions.get(at + 1).unwrap_or(&versions[at]).len());
    let len = rng.between(one.min(other) as i64, one.max(other) as i64) as usize;
    let mut out = vec![0; len];
    for (number, sector) in out.chunks_mut(SECTOR).enumerate() {
        let mut take = |age: usize, part: std::ops::Range<usize>| {
            let from = number * SECTOR + part.start;
            let found = versions[age].get(from..).unwrap_or_default();
            for (place, byte) in sector[part].iter_mut().zip(found.iter().chain(std::iter::repeat(&0))) {
                *place = *byte;
            }
        };
        let whole = SECTOR.min(len - number * SECTOR);
        let age = rng.below(count) as usize;
        take(age, 0..whole);
        // A sector is written from its beginning.
        if rng.one_in(4) {
            let older = rng.below(age as u64 + 1) as usize;
            take(older, rng.below(whole as u64) as usize..whole);
        }
    }
    out
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write { at, bytes } => {
                let end = at + bytes.len();
                content.resize(content.len().max(end), 0);
                content[*at..end].copy_from_slice(bytes);
            }
            Change::SetLen(len) => content.resize(*len, 0),
        }
    }
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<File> {
        self.state.lock().exhaust(EMFILE)?;
        RealDisk.open(path, create)
    }

    fn open_resident(&self, path: &Path) -> io::Result<Option<File>> {
        if self.state.lock().rng.one_in(COLD_ONE_IN) { Ok(None) } else { self.open(path, false).map(Some) }
    }

    fn read_resident(&self, file: &File, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        if self.state.lock().rng.one_in(COLD_ONE_IN) {
            return Ok(None);
        }
        RealDisk.read_resident(file, buf, position)
    }

    fn write_vectored_at(&self, file: &File, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        if !state.files.contains_key(&file.metadata()?.ino()) {
            state.look();
        }
        state.operation()?;
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        bytes.truncate(state.taken(bytes.len())?);
        file.write_all_at(&bytes, position)?;
        let taken = bytes.len();
        state.tracked(file)?.since.push(Change::Write { at: position as usize, bytes });
        Ok(taken)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        let mut state = self.state.lock();
        let left = state.faults.syncs;
        state.faults.syncs = state.count_down(left)?;
        state.tracked(file)?.make_durable();
        Ok(())
    }

    fn reserve(&self, _: &File, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operation()?;
        file.set_len(len)?;
        state.tracked(file)?.since.push(Change::SetLen(len as usize));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.look();
        state.operation()?;
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        if dir != state.dir {
            return Ok(());
        }
        let left = state.faults.syncs;
        state.faults.syncs = state.count_down(left)?;
        state.look();
        let durable = state.listings.len() - 1;
        state.listings.drain(..durable);
        state.dir_syncs += 1;
        Ok(())
    }
}
