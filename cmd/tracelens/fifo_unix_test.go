//go:build unix

package main

import "syscall"

func init() { mkfifo = func(name string) error { return syscall.Mkfifo(name, 0o666) } }
