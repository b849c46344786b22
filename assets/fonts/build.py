#!/usr/bin/env python3
"""Rebuilds yinxin-song.otf from Noto Serif CJK.

    pip install fonttools==4.68.0
    python3 build.py NotoSerifCJK-SemiBold.ttc          # fonts-noto-cjk-extra of Debian 12, or the project's release 2.001

Reads characters.txt beside this script (what must be drawable), writes yinxin-song.otf beside it. Same input and same
fonttools, same bytes: the dates in `head` are fixed below.
"""
import pathlib
import sys

from fontTools import subset
from fontTools.ttLib import TTCollection

HERE = pathlib.Path(__file__).resolve().parent
FAMILY = "Yinxin Song"
# Instants in font files count seconds from 1904-01-01; this one is 2022-01-27, when the source was published.
FIXED_INSTANT = 3726086400
NAMES = {
    1: FAMILY, 2: "Regular", 3: "YinxinSong-Regular-2.001", 4: FAMILY, 5: "Version 2.001", 6: "YinxinSong-Regular",
    0: "© 2017-2022 Adobe (http://www.adobe.com/). Subset of Noto Serif CJK SC SemiBold, renamed.",
    13: "This Font Software is licensed under the SIL Open Font License, Version 1.1.",
    14: "https://openfontlicense.org",
}


def chinese_face(path):
    for face in TTCollection(path).fonts:
        if face["name"].getDebugName(4) == "Noto Serif CJK SC SemiBold":
            return face
    sys.exit("no face named Noto Serif CJK SC SemiBold in this collection")


def main():
    wanted = {ord(c) for c in (HERE / "characters.txt").read_text(encoding="utf-8") if c != "\n"}
    face = chinese_face(sys.argv[1])
    missing = sorted(wanted - set(face.getBestCmap()))
    if missing:
        print("not in the source:", " ".join(f"U+{c:04X}" for c in missing))
    options = subset.Options(hinting=False, desubroutinize=False, layout_features=[], name_IDs=[], notdef_outline=False,
                             glyph_names=False, recalc_timestamp=False)
    options.drop_tables += ["BASE", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx", "DSIG"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=wanted)
    subsetter.subset(face)
    names = face["name"]
    names.names = []
    for number, text in sorted(NAMES.items()):
        names.setName(text, number, 3, 1, 0x409)
    cff = face["CFF "].cff
    cff.fontNames = ["YinxinSong-Regular"]
    top = cff.topDictIndex[0]
    top.FullName, top.FamilyName = FAMILY, FAMILY
    for number, one in enumerate(top.FDArray):
        one.FontName = f"YinxinSong-Regular-{number}"
    face.recalcTimestamp = False
    face["head"].created = face["head"].modified = FIXED_INSTANT
    face["OS/2"].achVendID = "NONE"
    face.save(HERE / "yinxin-song.otf")
    print(len(face.getBestCmap()), "characters,", (HERE / "yinxin-song.otf").stat().st_size, "bytes")


main()
