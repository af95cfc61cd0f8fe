package capture_test

import (
	"log"
	"net/http"
	"time"

	"github.com/tracelens/tracelens/capture"
)

// A service keeps the last ten seconds, and writes them when a request takes more than
// half a second, at most once a minute.
func Example() {
	recorder, err := capture.Start(capture.Options{
		Dir:      "traces",
		LookBack: 10 * time.Second,
		Wrote: func(path string, err error) {
			log.Println("trace of a slow request:", path, err)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer recorder.Stop()

	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) })

	debug := http.NewServeMux() // not for the public
	debug.Handle("/debug/flight", recorder)
	go http.ListenAndServe("localhost:6060", debug)

	log.Fatal(http.ListenAndServe(":8080", recorder.Watch(500*time.Millisecond, mux)))
}

// Anything may trigger, such as a queue that is too long.
func ExampleRecorder_Trigger() {
	recorder, err := capture.Start(capture.Options{Dir: "traces"})
	if err != nil {
		log.Fatal(err)
	}
	defer recorder.Stop()
	if path, err := recorder.Trigger("queue of 1000"); err == nil {
		log.Println("tracelens", path, "says why")
	}
}
