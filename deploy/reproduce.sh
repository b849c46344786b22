#!/usr/bin/env bash
# Whether the same source gives the same program: builds the commit that is checked out twice, in two directories of different
# names, and compares the results octet by octet. What comes out is the static program that the container holds.
#
#   deploy/reproduce.sh [WHERE]      the program is kept in WHERE/yinxin; without WHERE only its digest is told
#
# Wants what rust-toolchain.toml names, its musl target (rustup target add x86_64-unknown-linux-musl), musl-gcc (Debian:
# musl-tools), and the crates of Cargo.lock, from the registry or CARGO_HOME. The same digest on another machine wants the same
# musl-gcc and binutils there as well: deploy/container/Containerfile pins them by its base image.
set -euo pipefail
cd "$(dirname "$0")/.."
keep=${1:-}
target=$(uname -m)-unknown-linux-musl
commit=$(git rev-parse HEAD)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
home=${CARGO_HOME:-$HOME/.cargo}

# build DIRECTORY: from the commit alone, whatever lies beside it here.
build() {
    local place=$1
    mkdir -p "$place"
    git archive "$commit" | tar -x -C "$place"
    (
        cd "$place"
        SOURCE_DATE_EPOCH=$(git -C "$OLDPWD" log -1 --format=%ct "$commit")
        export SOURCE_DATE_EPOCH CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never LC_ALL=C TZ=UTC
        # Where it was built does not belong into it: neither for rustc nor for the C of SQLite and ring.
        export RUSTFLAGS="--remap-path-prefix=$place=/yinxin --remap-path-prefix=$home=/cargo"
        export CFLAGS="-ffile-prefix-map=$place=/yinxin -ffile-prefix-map=$home=/cargo"
        cargo build --release --locked --quiet --target "$target" --bin yinxin
    )
}

for name in one another-one-with-a-longer-name; do build "$scratch/$name"; done
one=$scratch/one/target/$target/release/yinxin
other=$scratch/another-one-with-a-longer-name/target/$target/release/yinxin
sha256sum "$one" "$other" | sed "s|$scratch/||"
if [ -n "$keep" ]; then install -D -m 0755 "$one" "$keep/yinxin"; fi
if cmp "$one" "$other"; then
    echo "reproducible: $(rustc --version), $target, commit $commit"
else
    echo "the two differ" >&2
    exit 1
fi
