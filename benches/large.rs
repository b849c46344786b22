//! A PDF of 50 MB: stamped by the daemon for the command line, verified by the command and by the daemon. Once as one
//! page with one large picture, once as many small pages.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends")]

mod common;

use common::{
    Figures,
    daemon::{Daemon, Demo, peak_mib},
    wall_ms,
};
use std::{fmt::Write as _, fs, path::Path, time::Instant};

const BYTES: usize = 50_000_000;
const REACH_MIB: f64 = 256.0;

fn main() {
    let mut figures = Figures::of("large");
    let demo = Demo::new();
    for (name, content) in [("one picture", picture()), ("20 000 pages", pages(20_000))] {
        let file = demo.path().join("large.pdf");
        fs::write(&file, &content).unwrap();
        figures.tell(&format!("{name}: size"), content.len() as f64 / 1e6, "MB");
        drop(content);
        measure(name, &demo, &file, &mut figures);
    }
    figures.end();
}

fn measure(name: &str, demo: &Demo, file: &Path, figures: &mut Figures) {
    let out = demo.path().join("large-stamped.pdf");
    let [file, stamped] = [file, &out].map(|path| path.to_str().unwrap());
    let daemon = Daemon::start(demo.path());
    let start = Instant::now();
    let (status, command) = peak_mib(
        demo.path(),
        &[
            "stamp",
            file,
            "--seal",
            &demo.seal(),
            "--x",
            "100",
            "--y",
            "100",
            "--out",
            stamped,
            "--key-file",
            demo.operator().to_str().unwrap(),
        ],
    );
    assert!(status.success(), "{name}: the stamp was refused");
    figures.tell(&format!("{name}: stamped, wall"), wall_ms(start), "ms");
    let most = daemon.memory_mib("VmHWM");
    figures.at_most(&format!("{name}: stamping, most held by the daemon"), most, REACH_MIB, "MiB");
    figures.at_most(&format!("{name}: stamping, most held by the command"), command, REACH_MIB, "MiB");
    drop(daemon);

    let [root, issuing] = ["root.cer", "issuing.cer"].map(|cert| demo.path().join(cert));
    let start = Instant::now();
    let trust = ["--trust", root.to_str().unwrap(), "--cert", issuing.to_str().unwrap()];
    let (status, command) = peak_mib(demo.path(), &[&["verify", stamped][..], &trust].concat());
    assert!(status.success(), "{name}: the stamp does not verify");
    figures.tell(&format!("{name}: verified, wall"), wall_ms(start), "ms");
    figures.at_most(&format!("{name}: verifying, most held by the command"), command, REACH_MIB, "MiB");

    let daemon = Daemon::start(demo.path());
    let content = fs::read(stamped).unwrap();
    let headers = "Content-Type: application/pdf\r\n";
    let (status, report) = daemon.ask("POST", "/api/v1/verifications", headers, &content).unwrap();
    assert!((200..300).contains(&status), "{}", String::from_utf8_lossy(&report));
    let most = daemon.memory_mib("VmHWM");
    figures.at_most(&format!("{name}: verifying, most held by the daemon"), most, REACH_MIB, "MiB");
    std::thread::sleep(std::time::Duration::from_secs(3));
    figures.tell(&format!("{name}: 3 s after, held by the daemon"), daemon.memory_mib("VmRSS"), "MiB");
}

/// One page, on which one picture of bytes that no filter makes smaller.
fn picture() -> Vec<u8> {
    let side = (BYTES as f64).sqrt() as usize;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = (0..side * side)
        .map(|_| {
            // xorshift64: anything without a pattern does.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    let head = format!(
        "/Type /XObject /Subtype /Image /Width {side} /Height {side} /ColorSpace /DeviceGray /BitsPerComponent 8"
    );
    let mut file = File::new();
    file.object("<< /Type /Catalog /Pages 2 0 R >>");
    file.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    file.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /XObject << /P 5 0 R >> >> >>");
    file.stream("", b"q 595 0 0 842 0 0 cm /P Do Q");
    file.stream(&head, &noise);
    file.end()
}

/// Many pages of text that is not compressed, in a tree of 100 branches.
fn pages(count: usize) -> Vec<u8> {
    const BRANCHES: usize = 100;
    let each = count / BRANCHES;
    let line = "0 -12 Td (Yinxin stamps what an officer has read.) Tj\n";
    let content = format!("BT /F1 10 Tf 50 800 Td\n{}ET", line.repeat(BYTES / count / line.len()));
    let list = |numbers: &mut dyn Iterator<Item = usize>| {
        numbers.fold(String::new(), |mut text, number| {
            let _ = write!(text, "{number} 0 R ");
            text
        })
    };
    let branch = |at: usize| 4 + at * (1 + 2 * each);
    let mut file = File::new();
    file.object("<< /Type /Catalog /Pages 2 0 R >>");
    let kids = list(&mut (0..BRANCHES).map(branch));
    file.object(&format!("<< /Type /Pages /Kids [{kids}] /Count {count} >>"));
    file.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    for at in 0..BRANCHES {
        let own = branch(at);
        let kids = list(&mut (0..each).map(|page| own + 1 + 2 * page));
        file.object(&format!("<< /Type /Pages /Parent 2 0 R /Kids [{kids}] /Count {each} >>"));
        for page in 0..each {
            let text = own + 2 + 2 * page;
            file.object(&format!(
                "<< /Type /Page /Parent {own} 0 R /MediaBox [0 0 595 842] /Contents {text} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
            ));
            file.stream("", content.as_bytes());
        }
    }
    file.end()
}

/// A PDF with a classic cross-reference table, written object by object.
struct File {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl File {
    fn new() -> Self {
        Self { bytes: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), places: Vec::new() }
    }

    fn object(&mut self, body: &str) {
        self.places.push(self.bytes.len());
        let number = self.places.len();
        self.bytes.extend(format!("{number} 0 obj\n{body}\nendobj\n").as_bytes());
    }

    fn stream(&mut self, entries: &str, content: &[u8]) {
        self.places.push(self.bytes.len());
        let (number, length) = (self.places.len(), content.len());
        self.bytes.extend(format!("{number} 0 obj\n<< {entries} /Length {length} >>\nstream\n").as_bytes());
        self.bytes.extend(content);
        self.bytes.extend(b"\nendstream\nendobj\n");
    }

    fn end(mut self) -> Vec<u8> {
        let (start, count) = (self.bytes.len(), self.places.len() + 1);
        let mut table = format!("xref\n0 {count}\n0000000000 65535 f \n");
        for place in &self.places {
            let _ = writeln!(table, "{place:010} 00000 n ");
        }
        let _ = write!(table, "trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
        self.bytes.extend(table.as_bytes());
        self.bytes
    }
}
