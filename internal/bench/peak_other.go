//go:build !unix

package bench

import "os"

// PeakMB is not known on this system.
func PeakMB(*os.ProcessState) float64 { return 0 }
