//! What other software makes of our files, and we of its.

use std::io::Write as _;
use std::process::Command;

use super::*;

fn judge(program: &str, arguments: &[&str], bytes: &[u8]) -> Option<(bool, String)> {
    let mut file = tempfile::Builder::new().suffix(".pdf").tempfile().unwrap();
    file.write_all(bytes).unwrap();
    match Command::new(program).args(arguments).arg(file.path()).output() {
        Ok(output) => {
            let says = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&says).into_owned()))
        }
        Err(error) => {
            eprintln!("SKIPPED: {program}: {error}");
            None
        }
    }
}

#[test]
fn others_accept_what_comes_out() {
    for (name, page) in
        [("one-page.pdf", 1), ("many-pages.pdf", 2), ("linearized-streams.pdf", 3), ("hybrid.pdf", 1)]
    {
        let once = stamped(&fixture(name), &at(page));
        let twice = stamped(&once, &Placement { page, x_mm: 60.0, y_mm: 100.0 });
        assert_eq!(
            lopdf::Document::load_mem(&twice).unwrap().get_pages().len(),
            opened(&twice).latest().pages().unwrap().len()
        );
        if let Some((is_sound, says)) = judge("qpdf", &["--check"], &twice) {
            assert!(is_sound, "{name}: {says}");
        }
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &twice) {
            assert!(says.contains("Signature #2"), "{name}: {says}");
            assert!(says.contains("- Total document signed"), "{name}: {says}");
        }
    }
}

#[test]
fn a_signature_by_others_stays_valid_under_our_stamp() {
    for name in ["rsa-signed.pdf", "ecdsa-signed.pdf", "certified-p2.pdf"] {
        let after = stamped(&fixture(name), &at(1));
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &after) {
            assert!(says.contains("Signature is Valid"), "{name}: {says}");
        }
    }
}

/// A detached CMS over `parts` by a fresh self-signed certificate; `None` where openssl is absent.
fn openssl_cms(parts: [&[u8]; 2]) -> Option<Vec<u8>> {
    let room = tempfile::tempdir().unwrap();
    let run = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(room.path()).output();
        match output {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Some(output.stdout)
            }
            Err(error) => {
                eprintln!("SKIPPED: openssl: {error}");
                None
            }
        }
    };
    run("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=tester")?;
    std::fs::write(room.path().join("content"), parts.concat()).unwrap();
    run("cms -sign -binary -in content -signer cert.pem -inkey key.pem -md sha256 -outform DER")
}

#[test]
fn a_cms_value_from_openssl_is_valid_to_poppler_even_under_a_later_stamp() {
    let placement = Placement { page: 1, x_mm: 60.0, y_mm: 60.0 };
    for name in ["one-page.pdf", "many-pages.pdf"] {
        let bytes = fixture(name);
        let prepared = opened(&bytes).prepare(&placement, &ring(), &names(SignatureKind::Cms), 4096).unwrap();
        let Some(value) = openssl_cms(prepared.signed_parts()) else { return };
        let mut after = prepared.embed(&value).unwrap();
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &after) {
            assert!(says.contains("Signature is Valid"), "{name}: {says}");
            assert!(
                says.contains("adbe.pkcs7.detached") && says.contains("- Total document signed"),
                "{says}"
            );
        }
        let later = stamped(&after, &at(1));
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &later) {
            assert!(says.contains("Signature is Valid"), "{name}: {says}");
        }
        after[20] ^= 1;
        if let Some((_, says)) = judge("pdfsig", &["-nocert"], &after) {
            assert!(!says.contains("Signature is Valid"), "{name}: {says}");
        }
    }
}

#[test]
fn a_colour_picture_shows_in_its_colours_through_its_alpha() {
    let side = 100usize;
    let rgb: Vec<u8> =
        (0..side * side).flat_map(|n| if n % side < 50 { [0, 0, 255] } else { [0, 160, 0] }).collect();
    let alpha: Vec<u8> = (0..side * side).map(|n| if n / side < 50 { 255 } else { 0 }).collect();
    for (alpha, below) in [(Some(deflated(&alpha)), [255, 255, 255]), (None, [0, 0, 255])] {
        let paint = Paint::Colour { width_px: 100, height_px: 100, rgb: deflated(&rgb), alpha };
        let picture = Appearance { width_um: 20_000, height_um: 20_000, paint };
        let bytes = built("", "", &[]);
        let placement = Placement { page: 1, x_mm: 50.0, y_mm: 50.0 };
        let prepared =
            opened(&bytes).prepare(&placement, &picture, &names(SignatureKind::SesSeal), 16).unwrap();
        let Some((_, image)) = drawn(&["-r", "254"], &prepared.embed(&[]).unwrap()) else { return };
        assert_eq!(image.pixel(450, 450), [0, 0, 255]);
        assert_eq!(image.pixel(550, 450), [0, 160, 0]);
        assert_eq!(image.pixel(450, 550), below);
    }
}

#[test]
fn the_stamp_shows_where_it_was_put_and_lets_the_page_through() {
    for (name, page) in
        [("one-page.pdf", 1), ("many-pages.pdf", 2), ("many-pages.pdf", 4), ("many-pages.pdf", 5)]
    {
        let after = stamped(&fixture(name), &Placement { page, x_mm: 60.0, y_mm: 70.0 });
        let number = page.to_string();
        // 25.4 dpi: a pixel is a millimetre.
        let shown = ["-r", "254", "-cropbox", "-f", &number, "-l", &number];
        let Some((is_drawn, image)) = drawn(&shown, &after) else { return };
        assert!(is_drawn);
        let is_red = |x_mm: usize, y_mm: usize| {
            let [red, green, blue] = image.pixel(x_mm * 10, y_mm * 10);
            red > 180 && green < 120 && blue < 120
        };
        assert!(is_red(60, 62), "{name} {page}: the bar points up");
        assert!(!is_red(60, 78) && !is_red(52, 70) && !is_red(68, 70), "{name} {page}: and nowhere else");
        assert!(
            is_red(41, 70) && is_red(79, 70) && is_red(60, 51) && is_red(60, 89),
            "{name} {page}: the ring"
        );
        assert!(!is_red(38, 70) && !is_red(82, 70), "{name} {page}: 40 mm across");
    }
}

struct Pixmap {
    width: usize,
    rgb: Vec<u8>,
}

impl Pixmap {
    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }
}

/// A page as poppler draws it.
fn drawn(arguments: &[&str], bytes: &[u8]) -> Option<(bool, Pixmap)> {
    let mut file = tempfile::Builder::new().suffix(".pdf").tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let output = match Command::new("pdftoppm").args(arguments).arg(file.path()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: pdftoppm: {error}");
            return None;
        }
    };
    let head: Vec<&[u8]> = output.stdout.splitn(4, |byte| *byte == b'\n').collect();
    assert_eq!(head[0], b"P6");
    let width = std::str::from_utf8(head[1]).unwrap().split(' ').next().unwrap().parse().unwrap();
    Some((output.status.success(), Pixmap { width, rgb: head[3].to_vec() }))
}
