#!/bin/sh
# Makes configure and Makefile.in from a plain checkout.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux
autoreconf -fi
