//go:build unix

package config

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// ours reports whether a file is the user's own, or the one's who runs sudo.
func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return true
	}
	return os.Geteuid() == 0 && os.Getenv("SUDO_UID") == strconv.Itoa(int(stat.Uid))
}
