package measures

import (
	"testing"

	"github.com/tracelens/tracelens/analysis/internal/checktest"
)

func TestLockOf(t *testing.T) {
	tr, w := checktest.Recorded(t)
	for name, want := range map[string]lockKind{
		"blkLocker": LockMutex, "blkReader": LockRead, "blkWriter": LockWrite, "blkOnce": LockOnce, "blkSender": lockNone,
	} {
		if got := lockOf(tr, w[name].Stack); w[name].Stack == 0 || got != want {
			t.Errorf("%s: lock kind %d, want %d", name, got, want)
		}
	}
}
