//go:build go1.23 && !go1.27

//go:debug asynctimerchan=0

package main

// N.B. the module says go 1.21, which would give every newer toolchain the timer channels of Go 1.21.
