#!/bin/sh
# replay.sh t/fuzz/fuzz_NAME.replay: runs fuzz_NAME over t/fuzz/corpus/NAME
name=$(basename "$1" .replay)
exec "./t/fuzz/$name" "${srcdir:-.}/t/fuzz/corpus/${name#fuzz_}"
