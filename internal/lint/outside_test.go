package lint

import (
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutside: a module of somebody else's writes an analyzer with a metric and a
// figure, runs it, and draws it.
func TestOutside(t *testing.T) {
	out := filepath.Join(t.TempDir(), "naps.png")
	cmd := exec.Command("go", "run", "-C", filepath.Join(root, "internal", "outside"), ".", filepath.Join("..", "..", "testdata", "traces", "heartbeat.trace"), out)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, part := range []string{"clear", "sleeps longest", "weight 1"} {
		if !strings.Contains(string(said), part) {
			t.Errorf("it says %s, not %q", said, part)
		}
	}
	drawn, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(drawn)); err != nil {
		t.Error(err)
	}
}
