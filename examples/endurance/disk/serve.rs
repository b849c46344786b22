//! The disk as FUSE asks for it.

use super::{
    Faults,
    model::{File, Folder, Kind, Node, Platter},
};
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, KernelConfig,
    LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::{
    ffi::OsStr,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long the kernel may remember: for ever, since all changes go through it.
const TTL: Duration = Duration::from_secs(3600);
const BLOCK: u32 = 4096;
const GENERATION: Generation = Generation(0);
/// Bits of a mode that say what a node is, and which mean a socket.
const TYPE_BITS: u32 = 0o170_000;
const SOCKET_BITS: u32 = 0o140_000;

pub(super) struct Served {
    platter: Arc<Mutex<Platter>>,
    faults: Arc<Faults>,
}

impl Served {
    pub(super) fn new(platter: Arc<Mutex<Platter>>, faults: Arc<Faults>) -> Self {
        Self { platter, faults }
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> u64 {
        self.faults.room_bytes.load(Ordering::SeqCst)
    }

    fn refuse_if_read_only(&self) -> Result<(), Errno> {
        if self.faults.read_only.load(Ordering::SeqCst) { Err(Errno::EROFS) } else { Ok(()) }
    }

    fn find(&self, parent: INodeNo, name: &OsStr) -> Result<(u64, FileAttr), Errno> {
        let mut platter = self.platter();
        let number = platter.folder(parent.0).ok_or(Errno::ENOTDIR)?.find(name).ok_or(Errno::ENOENT)?;
        let node = platter.node(number).ok_or(Errno::ENOENT)?;
        Ok((number, attributes(number, node)))
    }

    fn make(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        kind: Kind,
        mode: u32,
    ) -> Result<FileAttr, Errno> {
        self.refuse_if_read_only()?;
        let node = Node { kind, mode: mode & 0o7777, uid: request.uid(), gid: request.gid() };
        let number = self.platter().make(parent.0, name, node.clone()).ok_or(Errno::EEXIST)?;
        Ok(attributes(number, &node))
    }

    fn remove(&self, parent: INodeNo, name: &OsStr, folder: bool) -> Result<(), Errno> {
        self.refuse_if_read_only()?;
        let (number, attributes) = self.find(parent, name)?;
        let mut platter = self.platter();
        if folder && platter.folder(number).is_some_and(|folder| !folder.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        if folder != (attributes.kind == FileType::Directory) {
            return Err(if folder { Errno::ENOTDIR } else { Errno::EISDIR });
        }
        platter.folder(parent.0).ok_or(Errno::ENOTDIR)?.change(name, None);
        Ok(())
    }

    fn rename_to(&self, from: (INodeNo, &OsStr), to: (INodeNo, &OsStr)) -> Result<(), Errno> {
        self.refuse_if_read_only()?;
        let (number, _) = self.find(from.0, from.1)?;
        let mut platter = self.platter();
        platter.folder(to.0.0).ok_or(Errno::ENOTDIR)?.change(to.1, Some(number));
        platter.folder(from.0.0).ok_or(Errno::ENOTDIR)?.change(from.1, None);
        Ok(())
    }

    /// What was written when the sync began is safe when it ends.
    fn sync(&self, number: u64) -> Result<(), Errno> {
        let pending = self.platter().file(number).ok_or(Errno::EINVAL)?.begin_sync();
        self.dawdle();
        let goes_well = self.faults.count_sync();
        let mut platter = self.platter();
        let file = platter.file(number).ok_or(Errno::EINVAL)?;
        if goes_well {
            file.end_sync(pending);
            return Ok(());
        }
        file.fail_sync();
        Err(Errno::EIO)
    }

    fn sync_folder(&self, number: u64) -> Result<(), Errno> {
        self.dawdle();
        if !self.faults.count_sync() {
            return Err(Errno::EIO);
        }
        self.platter().folder(number).ok_or(Errno::ENOTDIR)?.sync();
        Ok(())
    }

    fn dawdle(&self) {
        let delay = self.faults.sync_delay_us.load(Ordering::SeqCst);
        if delay > 0 {
            std::thread::sleep(Duration::from_micros(delay));
        }
    }
}

impl Filesystem for Served {
    fn init(&mut self, _: &Request, _: &mut KernelConfig) -> io::Result<()> {
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.find(parent, name) {
            Ok((_, attributes)) => reply.entry(&TTL, &attributes, GENERATION),
            Err(error) => reply.error(error),
        }
    }

    fn forget(&self, _: &Request, number: INodeNo, _: u64) {
        self.platter().forget(number.0);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.platter().node(number.0) {
            Some(node) => reply.attr(&TTL, &attributes(number.0, node)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if let Err(error) = self.refuse_if_read_only() {
            return reply.error(error);
        }
        let room = self.room();
        let mut platter = self.platter();
        match size.map(|size| platter.resize(number.0, size as usize, room)) {
            Some(None) => return reply.error(Errno::EISDIR),
            Some(Some(false)) => return reply.error(Errno::ENOSPC),
            _ => {}
        }
        let Some(node) = platter.node_mut(number.0) else { return reply.error(Errno::ENOENT) };
        // Rights are taken to be safe at once: nothing here depends on when.
        node.mode = mode.map_or(node.mode, |mode| mode & 0o7777);
        node.uid = uid.unwrap_or(node.uid);
        node.gid = gid.unwrap_or(node.gid);
        reply.attr(&TTL, &attributes(number.0, node));
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let kind = if mode & TYPE_BITS == SOCKET_BITS { Kind::Socket } else { Kind::File(File::default()) };
        match self.make(request, parent, name, kind, mode) {
            Ok(attributes) => reply.entry(&TTL, &attributes, GENERATION),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        match self.make(request, parent, name, Kind::Folder(Folder::default()), mode) {
            Ok(attributes) => reply.entry(&TTL, &attributes, GENERATION),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.remove(parent, name, false), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.remove(parent, name, true), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to: INodeNo,
        to_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        answer(self.rename_to((parent, name), (to, to_name)), reply);
    }

    fn open(&self, _: &Request, _: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY
            && let Err(error) = self.refuse_if_read_only()
        {
            return reply.error(error);
        }
        // Only this process changes it, and only through the kernel: what the kernel has read stays true.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.make(request, parent, name, Kind::File(File::default()), mode) {
            Ok(attributes) => {
                reply.created(&TTL, &attributes, GENERATION, FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.platter().file(number.0) {
            Some(file) => reply.data(file.read(offset as usize, size as usize)),
            None => reply.error(Errno::EISDIR),
        }
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        if let Err(error) = self.refuse_if_read_only() {
            return reply.error(error);
        }
        let room = self.room();
        match self.platter().write(number.0, offset as usize, data, room) {
            Some(true) => reply.written(data.len() as u32),
            Some(false) => reply.error(Errno::ENOSPC),
            None => reply.error(Errno::EISDIR),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(self.sync(number.0), reply);
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(self.sync_folder(number.0), reply);
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let mut platter = self.platter();
        let Some(folder) = platter.folder(number.0) else { return reply.error(Errno::ENOTDIR) };
        let names: Vec<_> = folder.names().map(|(name, number)| (name.clone(), *number)).collect();
        for (at, (name, number)) in names.iter().enumerate().skip(offset as usize) {
            let kind = platter.node(*number).map_or(FileType::RegularFile, kind_of);
            if reply.add(INodeNo(*number), at as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let block = u64::from(BLOCK);
        let (room, used) = (self.room().min(1 << 40), self.platter().used_bytes());
        let free = room.saturating_sub(used) / block;
        reply.statfs(room / block, free, free, 1 << 20, 1 << 20, BLOCK, 255, BLOCK);
    }
}

fn answer(outcome: Result<(), Errno>, reply: ReplyEmpty) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn kind_of(node: &Node) -> FileType {
    match node.kind {
        Kind::File(_) => FileType::RegularFile,
        Kind::Folder(_) => FileType::Directory,
        Kind::Socket => FileType::Socket,
    }
}

fn attributes(number: u64, node: &Node) -> FileAttr {
    let size = match &node.kind {
        Kind::File(file) => file.length() as u64,
        _ => 0,
    };
    FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: kind_of(node),
        perm: (node.mode & 0o7777) as u16,
        nlink: 1,
        uid: node.uid,
        gid: node.gid,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}
