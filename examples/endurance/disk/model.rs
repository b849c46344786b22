//! The disk without its mount: files and folders, each as it is now and as it was synced last.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
};

/// What a disk writes as a whole.
pub const SECTOR: usize = 512;
/// The number of the topmost folder, as FUSE has it.
pub const ROOT: u64 = 1;

/// What a power cut takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All that was not synced.
    Clean,
    /// Of the sectors that were not synced any may be on the disk, and of the changes of a folder the first few.
    Torn {
        /// Which ones.
        seed: u64,
    },
}

/// All there is.
#[derive(Debug, Default)]
pub struct Platter {
    nodes: BTreeMap<u64, Node>,
    last: u64,
    used_bytes: u64,
}

/// A file, a folder, or a socket.
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

#[derive(Debug, Clone)]
pub enum Kind {
    File(File),
    Folder(Folder),
    /// A name without contents.
    Socket,
}

/// A file's contents.
#[derive(Debug, Clone, Default)]
pub struct File {
    now: Vec<u8>,
    safe: Vec<u8>,
    /// Sectors written since they were synced, each with the number of its last write.
    dirty: BTreeMap<usize, u64>,
    /// Sectors whose sync failed: clean to look at, and not on the disk.
    given_up: BTreeSet<usize>,
    writes: u64,
}

/// What one sync has to bring to the disk.
#[derive(Debug)]
pub struct Pending {
    length: usize,
    sectors: Vec<(usize, u64, Vec<u8>)>,
}

/// A folder's names.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    now: BTreeMap<OsString, u64>,
    safe: BTreeMap<OsString, u64>,
    changes: Vec<(OsString, Option<u64>)>,
}

/// What a power cut leaves.
pub struct Left {
    pub platter: Platter,
    /// Bytes in sectors that were written and not synced.
    pub gone_bytes: u64,
}

impl Platter {
    /// Nothing but the topmost folder.
    pub fn empty() -> Self {
        let root = Node { kind: Kind::Folder(Folder::default()), mode: 0o755, uid: 0, gid: 0 };
        Self { nodes: BTreeMap::from([(ROOT, root)]), last: ROOT, used_bytes: 0 }
    }

    pub fn node(&self, number: u64) -> Option<&Node> {
        self.nodes.get(&number)
    }

    pub fn node_mut(&mut self, number: u64) -> Option<&mut Node> {
        self.nodes.get_mut(&number)
    }

    pub fn folder(&mut self, number: u64) -> Option<&mut Folder> {
        match &mut self.nodes.get_mut(&number)?.kind {
            Kind::Folder(folder) => Some(folder),
            _ => None,
        }
    }

    pub fn file(&mut self, number: u64) -> Option<&mut File> {
        match &mut self.nodes.get_mut(&number)?.kind {
            Kind::File(file) => Some(file),
            _ => None,
        }
    }

    /// A new node under a name; `None` where the name is taken or the folder is none.
    pub fn make(&mut self, folder: u64, name: &OsStr, node: Node) -> Option<u64> {
        let number = self.last + 1;
        let names = self.folder(folder)?;
        if names.now.contains_key(name) {
            return None;
        }
        names.change(name, Some(number));
        self.last = number;
        self.nodes.insert(number, node);
        Some(number)
    }

    /// The bytes of all files.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Writes; `None` where the file is none, `Some(false)` where there is no room.
    pub fn write(&mut self, number: u64, offset: usize, data: &[u8], room: u64) -> Option<bool> {
        let used = self.used_bytes;
        let file = self.file(number)?;
        let grows = (offset + data.len()).saturating_sub(file.now.len()) as u64;
        if grows > 0 && used + grows > room {
            return Some(false);
        }
        file.write(offset, data);
        self.used_bytes += grows;
        Some(true)
    }

    /// Sets a file's length; as [`Platter::write`].
    pub fn resize(&mut self, number: u64, length: usize, room: u64) -> Option<bool> {
        let used = self.used_bytes;
        let file = self.file(number)?;
        let after = used - file.now.len() as u64 + length as u64;
        if length > file.now.len() && after > room {
            return Some(false);
        }
        file.resize(length);
        self.used_bytes = after;
        Some(true)
    }

    /// The disk after a power cut.
    pub fn after(&self, cut: Cut) -> Left {
        let mut coins = Coins::of(cut);
        let mut platter = Self { nodes: BTreeMap::new(), last: self.last, used_bytes: 0 };
        let mut gone_bytes = 0;
        // From the top, so that what no name leads to any more is gone.
        let mut waiting = vec![ROOT];
        while let Some(number) = waiting.pop() {
            let Some(node) = self.nodes.get(&number) else { continue };
            let kind = match &node.kind {
                Kind::File(file) => {
                    gone_bytes += (file.dirty.len() * SECTOR) as u64;
                    Kind::File(file.after(coins.as_mut()))
                }
                Kind::Folder(folder) => {
                    let folder = folder.after(coins.as_mut());
                    waiting.extend(folder.now.values());
                    Kind::Folder(folder)
                }
                Kind::Socket => Kind::Socket,
            };
            platter.nodes.insert(number, Node { kind, ..node.clone() });
        }
        let lengths = platter.nodes.values().map(|node| match &node.kind {
            Kind::File(file) => file.now.len() as u64,
            _ => 0,
        });
        platter.used_bytes = lengths.sum();
        Left { platter, gone_bytes }
    }

    /// Forgets a file that no name leads to, once nobody has it open.
    pub fn forget(&mut self, number: u64) {
        let named = |node: &Node| match &node.kind {
            Kind::Folder(folder) => {
                folder.now.values().chain(folder.safe.values()).any(|found| *found == number)
            }
            _ => false,
        };
        if number != ROOT
            && !self.nodes.values().any(named)
            && let Some(Node { kind: Kind::File(file), .. }) = self.nodes.remove(&number)
        {
            self.used_bytes -= file.now.len() as u64;
        }
    }
}

impl File {
    pub fn length(&self) -> usize {
        self.now.len()
    }

    pub fn read(&self, offset: usize, size: usize) -> &[u8] {
        let end = self.now.len().min(offset.saturating_add(size));
        self.now.get(offset..end).unwrap_or_default()
    }

    fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if end > self.now.len() {
            let from = self.now.len().min(offset);
            self.now.resize(end, 0);
            self.soil(from, end);
        }
        self.now[offset..end].copy_from_slice(data);
        self.soil(offset, end);
    }

    fn resize(&mut self, length: usize) {
        let (from, to) = (length.min(self.now.len()), length.max(self.now.len()));
        self.now.resize(length, 0);
        self.soil(from, to);
    }

    fn soil(&mut self, from: usize, to: usize) {
        self.writes += 1;
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            self.dirty.insert(sector, self.writes);
            self.given_up.remove(&sector);
        }
    }

    /// What a sync that begins now has to bring to the disk.
    pub fn begin_sync(&self) -> Pending {
        let sectors = self.dirty.iter().map(|(sector, write)| {
            let octets = self.read(sector * SECTOR, SECTOR).to_vec();
            (*sector, *write, octets)
        });
        Pending { length: self.now.len(), sectors: sectors.collect() }
    }

    /// The sync went well.
    pub fn end_sync(&mut self, pending: Pending) {
        self.safe.resize(pending.length, 0);
        for (sector, write, octets) in pending.sectors {
            put(&mut self.safe, sector, &octets);
            if self.dirty.get(&sector) == Some(&write) {
                self.dirty.remove(&sector);
            }
        }
    }

    /// The sync failed: as in Linux, the next one will not try these sectors again.
    pub fn fail_sync(&mut self) {
        self.given_up.extend(std::mem::take(&mut self.dirty).into_keys());
    }

    fn after(&self, coins: Option<&mut Coins>) -> Self {
        let mut left = self.safe.clone();
        if let Some(coins) = coins {
            if coins.falls() {
                left.resize(self.now.len(), 0);
            }
            for sector in self.dirty.keys().chain(&self.given_up).copied() {
                if coins.falls() {
                    put(&mut left, sector, self.read(sector * SECTOR, SECTOR));
                }
            }
        }
        Self { now: left.clone(), safe: left, ..Self::default() }
    }
}

/// Puts a sector in, as far as the file goes.
fn put(file: &mut [u8], sector: usize, octets: &[u8]) {
    let from = file.len().min(sector * SECTOR);
    let to = file.len().min(from + octets.len());
    file[from..to].copy_from_slice(&octets[..to - from]);
}

impl Folder {
    pub fn find(&self, name: &OsStr) -> Option<u64> {
        self.now.get(name).copied()
    }

    pub fn names(&self) -> impl Iterator<Item = (&OsString, &u64)> {
        self.now.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.now.is_empty()
    }

    /// Gives a name to a node, or takes it away.
    pub fn change(&mut self, name: &OsStr, number: Option<u64>) {
        set(&mut self.now, name, number);
        self.changes.push((name.to_owned(), number));
    }

    pub fn sync(&mut self) {
        self.safe = self.now.clone();
        self.changes.clear();
    }

    /// Journals keep the order of a folder's changes, so the first few of them may be there.
    fn after(&self, coins: Option<&mut Coins>) -> Self {
        let mut left = self.safe.clone();
        if let Some(coins) = coins {
            for (name, number) in &self.changes[..coins.below(self.changes.len() + 1)] {
                set(&mut left, name, *number);
            }
        }
        Self { now: left.clone(), safe: left, changes: Vec::new() }
    }
}

fn set(names: &mut BTreeMap<OsString, u64>, name: &OsStr, number: Option<u64>) {
    match number {
        Some(number) => names.insert(name.to_owned(), number),
        None => names.remove(name),
    };
}

/// Seeded coins (xorshift64*): which sector survives is nobody's secret.
struct Coins(u64);

impl Coins {
    fn of(cut: Cut) -> Option<Self> {
        match cut {
            Cut::Clean => None,
            Cut::Torn { seed } => Some(Self(seed.wrapping_mul(2).wrapping_add(1))),
        }
    }

    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33
    }

    fn falls(&mut self) -> bool {
        self.throw() & 1 == 1
    }

    fn below(&mut self, end: usize) -> usize {
        (self.throw() as usize) % end.max(1)
    }
}
