use std::f64::consts::PI;

use proptest::prelude::*;

use super::raster::pixels;
use super::*;
use crate::document::appearance::Paint;
use crate::document::png::{self as kit, Limits};

fn department(name: &str) -> Round {
    Preset::find("department").unwrap().round(name).unwrap()
}

fn draw(seal: Round) -> Drawing {
    Design::Round(seal).draw().unwrap()
}

/// Opacities of a drawing and its side in pixels.
fn mask(drawing: &Drawing) -> (usize, Vec<u8>) {
    let (width, height) = (pixels(drawing.width_um), pixels(drawing.height_um));
    (width as usize, drawing.mask(width, height))
}

fn rgba(png: &[u8]) -> Vec<[u8; 4]> {
    let mut all = Vec::new();
    kit::each_row(png, &Limits::default(), |row| all.extend_from_slice(row.as_chunks::<4>().0)).unwrap();
    all
}

/// Encodes RGB or RGBA pixels with other software.
fn foreign(colour: png::ColorType, width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

#[test]
fn pixels_are_millimetres_at_600_dpi() {
    // 945 pixels are what pictures of real seals of 40 mm measure.
    assert_eq!([40_000, 42_000, 45_000, 58_000].map(pixels), [945, 992, 1063, 1370]);
    let file = draw(department("某市大数据管理局")).png();
    let reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (992, 992));
    assert_eq!(reader.info().pixel_dims.unwrap().xppu, 23_622);
}

#[test]
fn the_border_touches_all_four_edges_and_corners_are_empty() {
    let (side, mask) = mask(&draw(department("某市大数据管理局")));
    let at = |x: usize, y: usize| mask[y * side + x];
    let (middle, last) = (side / 2, side - 1);
    for (x, y) in [(middle, 0), (middle, last), (0, middle), (last, middle)] {
        assert!(at(x, y) > 200, "{x} {y}");
    }
    let corner = side / 8;
    for (x, y) in [(0, 0), (corner, corner), (last, 0), (last - corner, corner), (0, last), (last, last)] {
        assert_eq!(at(x, y), 0, "{x} {y}");
    }
    // 1.2 mm of border are 28 pixels.
    assert_eq!((0..100).take_while(|x| at(*x, middle) > 127).count(), 28);
}

#[test]
fn the_star_stands_upright_and_symmetric() {
    let mut seal = department("某");
    seal.name = "某".to_owned();
    let drawing = draw(seal);
    let (side, mask) = mask(&drawing);
    let at = |x: usize, y: usize| mask[y * side + x];
    let centre = side / 2;
    for y in centre - 150..centre + 150 {
        for x in centre - 170..centre {
            let (left, right) = (at(x, y), at(side - 1 - x, y));
            assert!(left.abs_diff(right) <= 128, "{x} {y}: {left} {right}");
        }
    }
    // Its point is 7 mm above the centre, its feet 7 mm · cos 36° below; between the feet it is open.
    let Some(star) = drawing.paths.iter().find(|p| p.commands.len() == 11) else { panic!("no star") };
    let ys = star.commands.iter().filter_map(|c| match c {
        Command::Move(_, y) | Command::Line(_, y) => Some(*y - 21_000.0),
        _ => None,
    });
    let (top, bottom) = ys.fold((0.0f64, 0.0f64), |(top, bottom), y| (top.min(y), bottom.max(y)));
    assert!((top + 7_000.0).abs() < 1.0 && (bottom - 7_000.0 * (PI / 5.0).cos()).abs() < 1.0);
    assert_eq!(at(centre, centre + 110), 0);
}

#[test]
fn each_character_is_one_outline() {
    let mut seal = department("某市大数据管理局");
    assert_eq!(draw(seal.clone()).paths.len(), 1 + 8 + 1);
    seal.code = Some("4401000012345".to_owned());
    seal.line = Some("合同专用章".to_owned());
    seal.marking = true;
    assert_eq!(draw(seal.clone()).paths.len(), 1 + 8 + 1 + 13 + 5 + 4);
    seal.centre = Centre::Empty;
    assert_eq!(draw(seal).paths.len(), 1 + 8 + 13 + 5 + 4);
}

#[test]
fn names_stand_evenly_over_the_top_within_the_border() {
    for count in [2, 5, 8, 13, 20, 30] {
        let name = "田".repeat(count);
        let drawing = draw(department(&name));
        let angles: Vec<f64> = drawing.paths[1..=count]
            .iter()
            .map(|path| {
                let (x, y) = middle(path);
                (x - 21_000.0).atan2(21_000.0 - y)
            })
            .collect();
        assert!((angles[0] + angles[count - 1]).abs() < 0.01, "{count}: centred");
        let step = angles[1] - angles[0];
        assert!(angles.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 0.001), "{count}: even");
        for (x, y) in drawing.paths[1..=count].iter().flat_map(points) {
            let far = (x - 21_000.0).hypot(y - 21_000.0);
            assert!(far < 21_000.0 - 1_200.0 - 300.0 && far > 7_500.0, "{count}: {far}");
        }
    }
}

fn points(path: &Path) -> Vec<(f64, f64)> {
    path.commands
        .iter()
        .filter_map(|c| match *c {
            Command::Move(x, y) | Command::Line(x, y) | Command::Cubic(_, _, _, _, x, y) => Some((x, y)),
            Command::Close => None,
        })
        .collect()
}

/// The middle of a mirror-symmetric character: the mean of its points.
fn middle(path: &Path) -> (f64, f64) {
    let all = points(path);
    let n = all.len() as f64;
    (all.iter().map(|p| p.0).sum::<f64>() / n, all.iter().map(|p| p.1).sum::<f64>() / n)
}

#[test]
fn no_two_parts_of_a_full_seal_overlap() {
    let mut seal = department("某某市城市建设投资集团有限责任公司");
    seal.code = Some("4401000012345".to_owned());
    seal.line = Some("合同专用章".to_owned());
    seal.marking = true;
    let whole = draw(seal);
    let ink = |paths: &[Path]| {
        let (_, mask) = mask(&Drawing { paths: paths.to_vec(), ..whole.clone() });
        mask.iter().map(|a| u64::from(*a > 127)).sum::<u64>()
    };
    let apart: u64 = whole.paths.chunks(1).map(ink).sum();
    assert!(apart.abs_diff(ink(&whole.paths)) * 10_000 < apart, "{apart} {}", ink(&whole.paths));
}

#[test]
fn the_same_design_gives_the_same_bytes_and_another_name_others() {
    let one = draw(department("某市大数据管理局"));
    let again = draw(department("某市大数据管理局"));
    let other = draw(department("某市大数据管珊局"));
    assert_eq!((one.png(), one.svg()), (again.png(), again.svg()));
    assert!(one.png() != other.png() && one.svg() != other.svg());
}

#[test]
fn a_drawn_seal_is_small_and_serves_as_a_mask_as_it_is() {
    let drawing = draw(department("某市大数据管理局"));
    let file = drawing.png();
    assert!(file.len() < 30_000, "{}", file.len());
    let seen = kit::appearance(&file, 42_000, 42_000, &Limits::default()).unwrap();
    let Paint::Mask { rgb, width_px: 992, height_px: 992, idat } = seen.paint else { panic!() };
    assert_eq!(rgb, SEAL_RED);
    assert!(file.windows(idat.len()).any(|w| w == &*idat));
    let alpha: Vec<u8> = rgba(&file).iter().map(|p| p[3]).collect();
    assert_eq!(alpha, mask(&drawing).1);
}

#[test]
fn the_svg_has_the_real_size_and_a_path_for_each_part() {
    let drawing = draw(department("某市大数据管理局"));
    let svg = drawing.svg();
    assert!(svg.starts_with(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="42mm" height="42mm" viewBox="0 0 42000 42000">"#
    ));
    assert_eq!(svg.matches("<path ").count(), drawing.paths.len());
    assert!(svg.contains(r##"fill="#ff0000""##) && !svg.contains("NaN"));
}

#[test]
fn refusals_name_what_is_wrong() {
    let base = department("某市大数据管理局");
    let round = |change: &dyn Fn(&mut Round)| {
        let mut seal = base.clone();
        change(&mut seal);
        Design::Round(seal).draw().map(|_| ()).map_err(|e| e.code())
    };
    let table: [(Result<(), &str>, &str); 14] = [
        (round(&|s| s.name = "某市\u{1F600}局".into()), "picture/missing-glyph"),
        (round(&|s| s.line = Some("\u{E000}章".into())), "picture/missing-glyph"),
        (round(&|s| s.name = String::new()), "picture/empty-text"),
        (round(&|s| s.name = "  ".into()), "picture/empty-text"),
        (round(&|s| s.name = "某".repeat(45)), "picture/text-too-long"),
        (round(&|s| s.name = "某".repeat(100_000)), "picture/text-too-long"),
        (round(&|s| s.line = Some("某".repeat(30))), "picture/text-too-long"),
        (round(&|s| s.diameter_um = 0), "picture/bad-size"),
        (round(&|s| s.diameter_um = u32::MAX), "picture/bad-size"),
        (round(&|s| s.border_um = 0), "picture/bad-size"),
        (round(&|s| s.centre = Centre::Star { diameter_um: 30_000 }), "picture/bad-size"),
        (round(&|s| s.code = Some("12-34".into())), "picture/bad-code"),
        (round(&|s| s.code = Some(String::new())), "picture/bad-code"),
        (round(&|s| s.code = Some("1".repeat(21))), "picture/bad-code"),
    ];
    for (i, (found, code)) in table.into_iter().enumerate() {
        assert_eq!(found, Err(code), "row {i}");
    }
    assert_eq!(round(&|s| s.name = "某".repeat(30)), Ok(()));
    let name =
        |name: &str| Design::Name(NameSeal { side_um: 20_000, border_um: 900, name: name.into() }).draw();
    assert_eq!(name("王").unwrap_err(), DrawError::NameLength(1));
    assert_eq!(name("王大小多少").unwrap_err(), DrawError::NameLength(5));
    let lines = |lines: &[&str]| {
        let lines = lines.iter().map(|l| (*l).to_owned()).collect();
        Design::Rectangle(Rectangle { width_um: 50_000, height_um: 20_000, border_um: 800, lines }).draw()
    };
    assert_eq!(lines(&[]).unwrap_err().code(), "picture/empty-text");
    assert_eq!(lines(&["一"; 5]).unwrap_err().code(), "picture/text-too-long");
}

#[test]
fn every_preset_draws_or_says_why_not() {
    for preset in PRESETS {
        match preset.round("某市某某某局") {
            Ok(seal) => assert_eq!(draw(seal).width_um, preset.diameter_um),
            Err(e) => assert_eq!(
                (e.code(), preset.centre),
                ("picture/national-emblem", PresetCentre::NationalEmblem)
            ),
        }
    }
}

#[test]
fn name_seals_are_read_in_columns_from_the_right() {
    let spots = |name: &str| {
        let seal = NameSeal { side_um: 20_000, border_um: 900, name: name.into() };
        let drawing = Design::Name(seal).draw().unwrap();
        drawing.paths[1..].iter().map(middle).map(|(x, y)| (x > 10_000.0, y > 10_000.0)).collect::<Vec<_>>()
    };
    assert_eq!(spots("田田田田"), [(true, false), (true, true), (false, false), (false, true)]);
    assert_eq!(spots("田田田")[1..], [(false, false), (false, true)]);
    assert_eq!(spots("田田").iter().map(|s| s.0).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn ovals_and_rectangles_keep_to_their_borders() {
    let oval = Oval {
        width_um: 40_000,
        height_um: 30_000,
        border_um: 1_000,
        name: "某市星海数据服务有限公司".into(),
        code: Some("91440101MA5ABCDE1X".into()),
        line: Some("发票专用章".into()),
        marking: true,
    };
    let drawing = Design::Oval(oval).draw().unwrap();
    assert_eq!(drawing.paths.len(), 1 + 12 + 18 + 5 + 4);
    for (x, y) in drawing.paths[1..].iter().flat_map(points) {
        assert!(((x - 20_000.0) / 19_000.0).powi(2) + ((y - 15_000.0) / 14_000.0).powi(2) < 1.0, "{x} {y}");
    }
    let lines = vec!["某市大数据管理局".to_owned(), "收文专用章".to_owned()];
    let rectangle = Rectangle { width_um: 50_000, height_um: 20_000, border_um: 800, lines };
    let drawing = Design::Rectangle(rectangle).draw().unwrap();
    for (x, y) in drawing.paths[1..].iter().flat_map(points) {
        assert!((800.0..49_200.0).contains(&x) && (800.0..19_200.0).contains(&y), "{x} {y}");
    }
}

#[test]
fn designs_are_read_strictly_and_come_back_the_same() {
    let json = r#"{"shape":"round","diameter_um":42000,"border_um":1200,"centre":{"star":{"diameter_um":14000}},"name":"某局"}"#;
    let design: Design = serde_json::from_str(json).unwrap();
    assert_eq!(design, Design::Round(department("某局")));
    assert_eq!(serde_json::from_str::<Design>(&serde_json::to_string(&design).unwrap()).unwrap(), design);
    assert!(serde_json::from_str::<Design>(&json.replace("name", "nmae")).is_err());
    assert!(serde_json::from_str::<Design>(&json.replace("\"name\"", "\"extra\":1,\"name\"")).is_err());
}

#[test]
fn a_drawn_seal_comes_through_import_with_the_same_pixels() {
    let file = draw(department("某市大数据管理局")).png();
    let imported = check_import(&file, 42, 42).unwrap();
    assert_eq!((imported.width_um, imported.height_um, imported.colour), (42_000, 42_000, Some(SEAL_RED)));
    assert_eq!(rgba(&imported.png), rgba(&file));
}

#[test]
fn one_colour_on_white_or_transparent_ground_becomes_a_mask() {
    let drawing = draw(department("某市大数据管理局"));
    let (side, alpha) = mask(&drawing);
    let side = u32::try_from(side).unwrap();
    let red = [214u8, 20, 30];
    let white: Vec<u8> = alpha
        .iter()
        .flat_map(|a| red.map(|c| 255 - ((255 - u16::from(c)) * u16::from(*a) / 255) as u8))
        .collect();
    let on_white = check_import(&foreign(png::ColorType::Rgb, side, side, &white), 42, 42).unwrap();
    assert_eq!(on_white.colour, Some(red));
    let seen = rgba(&on_white.png);
    assert!(seen.iter().zip(&alpha).all(|(p, a)| p[3].abs_diff(*a) <= 2));

    let clear: Vec<u8> = alpha.iter().flat_map(|a| [red[0], red[1], red[2], *a]).collect();
    let on_clear = check_import(&foreign(png::ColorType::Rgba, side, side, &clear), 42, 42).unwrap();
    assert_eq!(on_clear.colour, Some(red));
    assert!(rgba(&on_clear.png).iter().zip(&alpha).all(|(p, a)| p[3] == *a));
    assert!(matches!(
        kit::appearance(&on_clear.png, 42_000, 42_000, &Limits::default()).unwrap().paint,
        Paint::Mask { rgb, .. } if rgb == red
    ));
}

/// A square of 400 pixels whose left quarter is painted as told, on the ground told.
fn quarter(ground: [u8; 4], paint: impl Fn(u32) -> [u8; 4]) -> Vec<u8> {
    let pixels: Vec<u8> =
        (0..160_000u32).flat_map(|i| if i % 400 < 100 { paint(i / 400) } else { ground }).collect();
    foreign(png::ColorType::Rgba, 400, 400, &pixels)
}

#[test]
fn several_colours_are_kept_on_transparent_ground_and_refused_on_white() {
    let two = |y: u32| if y < 200 { [255, 0, 0, 255] } else { [0, 0, 255, 255] };
    let file = quarter([0; 4], two);
    let kept = check_import(&file, 20, 20).unwrap();
    assert_eq!((rgba(&kept.png), kept.colour), (rgba(&file), None));
    assert_eq!(check_import(&quarter([255; 4], two), 20, 20), Err(ImportError::SeveralColours));
}

#[test]
fn unfit_imports_are_refused_with_their_code() {
    let red = |_| [255, 0, 0, 255];
    let good = quarter([255; 4], red);
    assert!(check_import(&good, 20, 20).is_ok());
    let table: [(&str, &[u8], u32, u32, &str); 11] = [
        ("text", b"not a picture", 20, 20, "picture/not-png"),
        ("cut", &good[..good.len() / 2], 20, 20, "picture/malformed"),
        ("small", &good, 9, 9, "picture/bad-size"),
        ("large", &good, 81, 81, "picture/bad-size"),
        ("none", &good, 0, 20, "picture/bad-size"),
        ("coarse", &good, 35, 35, "picture/bad-resolution"),
        ("skewed", &good, 20, 21, "picture/bad-aspect"),
        ("white", &quarter([255; 4], |_| [255; 4]), 20, 20, "picture/empty"),
        ("clear", &quarter([0; 4], |_| [9, 9, 9, 0]), 20, 20, "picture/empty"),
        ("full", &quarter([255, 0, 0, 255], red), 20, 20, "picture/no-ground"),
        (
            "fine",
            &foreign(png::ColorType::Grayscale, 500, 500, &[255; 250_000]),
            10,
            10,
            "picture/bad-resolution",
        ),
    ];
    for (name, bytes, width, height, code) in table {
        assert_eq!(check_import(bytes, width, height).unwrap_err().code(), code, "{name}");
    }
    // 500 pixels at 42 mm are 302 dpi: a real seal's picture.
    assert!(check_import(&foreign(png::ColorType::Rgb, 500, 500, &half_red(500)), 42, 42).is_ok());
}

fn half_red(side: usize) -> Vec<u8> {
    (0..side * side).flat_map(|i| if i % side < side / 2 { [255, 0, 0] } else { [255; 3] }).collect()
}

#[test]
fn the_picture_in_the_documents_is_what_the_rules_draw() {
    let shown = include_bytes!("../../../docs/pictures/seal-round.png");
    assert!(shown.len() < 100_000);
    // To renew it: cargo test --lib draws_the_picture_of_the_documents -- --ignored
    assert!(rgba(shown) == rgba(&documents_seal().png()));
}

#[test]
#[ignore = "writes docs/pictures/seal-round.png"]
fn draws_the_picture_of_the_documents() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures/seal-round.png");
    std::fs::write(path, documents_seal().png()).unwrap();
}

fn documents_seal() -> Drawing {
    let mut seal = department("某市大数据管理局");
    seal.code = Some("4401000012345".to_owned());
    draw(seal)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_design_draws_or_is_refused_without_panic(
        diameter_um in 0u32..100_000,
        border_um in 0u32..4_000,
        star in prop::option::of(0u32..60_000),
        name in "\\PC{0,40}|[某市县区局（）]{1,40}",
        line in prop::option::of("[合同专用章]{0,12}"),
        code in prop::option::of("[0-9A-Z]{0,22}"),
        marking in any::<bool>(),
    ) {
        let centre = star.map_or(Centre::Empty, |diameter_um| Centre::Star { diameter_um });
        let seal = Round { diameter_um, border_um, centre, name, line, code, marking };
        if let Ok(drawing) = Design::Round(seal).draw() {
            prop_assert!(drawing.paths.iter().flat_map(points).all(|(x, y)| x.is_finite() && y.is_finite()));
            let limit = f64::from(diameter_um);
            prop_assert!(drawing.paths.iter().flat_map(points).all(|(x, y)| x >= 0.0 && y >= 0.0 && x <= limit && y <= limit));
        }
    }

    #[test]
    fn random_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), mm in 0u32..100) {
        prop_assert!(check_import(&bytes, mm, mm).is_err());
    }
}
