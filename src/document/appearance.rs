//! How a stamp looks on a page: the seal's own picture, ready to be embedded without decoding it again.

use std::sync::Arc;

/// A picture of a seal at its real size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appearance {
    /// Width on paper in micrometres (a 40 mm seal: 40 000).
    pub width_um: u32,
    /// Height on paper in micrometres.
    pub height_um: u32,
    /// What is painted.
    pub paint: Paint,
}

/// The painted part of an [`Appearance`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paint {
    /// One colour through an 8-bit alpha mask. `idat` is a zlib stream of PNG-filtered rows (one filter octet, then
    /// `width_px` octets of alpha a row), so that the very bytes of the seal's PNG serve as a PDF soft mask.
    Mask {
        /// Red, green, blue.
        rgb: [u8; 3],
        /// Width in pixels.
        width_px: u32,
        /// Height in pixels.
        height_px: u32,
        /// zlib stream of PNG-filtered rows of alpha.
        idat: Arc<[u8]>,
    },
    /// Full colour: zlib streams of plain rows (no PNG filter), RGB and, where the picture has any, alpha.
    Colour {
        /// Width in pixels.
        width_px: u32,
        /// Height in pixels.
        height_px: u32,
        /// zlib stream of RGB rows.
        rgb: Arc<[u8]>,
        /// zlib stream of alpha rows.
        alpha: Option<Arc<[u8]>>,
    },
}
