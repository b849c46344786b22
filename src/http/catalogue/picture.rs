//! Pictures of seals.

use super::{Kind, kind};

pub(super) const KINDS: &[Kind] = &[
    kind(
        "picture/missing-glyph",
        422,
        ["字库缺字", "The face lacks a character"],
        ["请更换该字，或导入制作好的印模。", "Use another character, or import a finished picture."],
    ),
    kind(
        "picture/animated",
        422,
        ["图像为动画", "The picture is animated"],
        ["请导入静止的 PNG。", "Import a PNG that stands still."],
    ),
    kind("picture/empty-text", 422, ["文字为空", "A text is empty"], ["请填写文字。", "Give a text."]),
    kind(
        "picture/text-too-long",
        422,
        ["文字过长", "A text is too long"],
        ["请缩短文字或加大印章尺寸。", "Shorten the text, or take a larger seal."],
    ),
    kind(
        "picture/bad-size",
        422,
        ["尺寸超出范围", "A measure is out of range"],
        ["请使用说明所列范围内的尺寸。", "Use a measure within the range that the detail says."],
    ),
    kind(
        "picture/bad-code",
        422,
        ["印章编码有误", "The seal's code can't be taken"],
        ["请使用 1 至 20 位数字或大写字母。", "Use 1 to 20 digits or capital letters."],
    ),
    kind(
        "picture/name-length",
        422,
        ["姓名字数不符", "A name seal takes 2 to 4 characters"],
        ["请填写 2 至 4 个字。", "Give 2 to 4 characters."],
    ),
    kind(
        "picture/national-emblem",
        422,
        ["国徽印章须导入印模", "A seal with the national emblem is not drawn here"],
        ["请导入印章主管部门制发的印模。", "Import the picture that the authority made."],
    ),
    kind(
        "picture/not-png",
        422,
        ["不是 PNG 图片", "This is no PNG"],
        ["请上传 PNG 格式的印模。", "Send a PNG."],
    ),
    kind(
        "picture/malformed",
        422,
        ["图片已损坏", "The picture is damaged"],
        ["请重新导出后上传。", "Export it again, and send that."],
    ),
    kind(
        "picture/too-large",
        422,
        ["图片过大", "The picture is too large"],
        ["请降低分辨率；1200 dpi 为上限。", "Use fewer pixels; 1200 an inch is the most."],
    ),
    kind(
        "picture/bad-resolution",
        422,
        ["图片分辨率不符", "The picture's resolution is out of range"],
        ["请使用每英寸 300 至 1200 像素。", "Use 300 to 1200 pixels an inch."],
    ),
    kind(
        "picture/bad-aspect",
        422,
        ["图片比例与尺寸不符", "The picture's proportions differ from its size"],
        ["请使宽高比例与印章尺寸一致。", "Make both agree."],
    ),
    kind(
        "picture/empty",
        422,
        ["图片为空", "The picture is empty"],
        [
            "请上传有印文的图片：至少有一个非底色像素。",
            "Send a picture with something on it: at least one pixel that is not ground.",
        ],
    ),
    kind(
        "picture/no-ground",
        422,
        ["图片没有透明或白色底", "The picture has no transparent or white ground"],
        ["请使用透明底的 PNG。", "Use a PNG with transparent ground."],
    ),
    kind(
        "picture/several-colours",
        422,
        ["白底图片含多种颜色", "A picture on white ground has several colours"],
        ["请使用透明底的 PNG。", "Use a PNG with transparent ground."],
    ),
];
