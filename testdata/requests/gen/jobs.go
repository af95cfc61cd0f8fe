package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"sync"
	"time"
)

// process is one piece of work.
func process(permits chan struct{}, wg *sync.WaitGroup) {
	defer wg.Done()
	since := time.Now()
	permits <- struct{}{}
	time.Sleep(time.Millisecond)
	<-permits
	note("main.process", 1, time.Since(since), time.Since(since))
}

// startJobs starts a goroutine for each piece of work, of which two may work at once.
func startJobs() {
	permits := make(chan struct{}, 2)
	var wg sync.WaitGroup
	for range 40 {
		wg.Add(1)
		go process(permits, &wg)
		time.Sleep(400 * time.Microsecond)
	}
	wg.Wait()
}

// handleJob is called by workers.
func handleJob(since time.Time) {
	defer handled("main.handleJob", time.Now())
	time.Sleep(500 * time.Microsecond)
	compute()
	time.Sleep(500 * time.Microsecond)
	note("main.handleJob", 0, 0, time.Since(since))
}

//go:noinline
func compute() {
	for t := time.Now(); time.Since(t) < 200*time.Microsecond; {
	}
}

func runWorkers() {
	jobs := make(chan time.Time)
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for since := range jobs {
				handleJob(since)
			}
		}()
	}
	time.Sleep(5 * time.Millisecond)
	for range 60 {
		jobs <- time.Now()
	}
	close(jobs)
	wg.Wait()
}

// querySQL asks a database of one connection that takes 2 ms.
func querySQL() {
	sql.Register("slow", slowDriver{})
	db, err := sql.Open("slow", "")
	check(err)
	db.SetMaxOpenConns(1)
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 10 {
				since := time.Now()
				_, err := db.ExecContext(context.Background(), "update")
				check(err)
				note("database/sql.(*DB).ExecContext", 1, 0, time.Since(since))
				time.Sleep(100 * time.Microsecond)
			}
		}()
	}
	wg.Wait()
	check(db.Close())
}

type slowDriver struct{}

func (slowDriver) Open(string) (driver.Conn, error) { return slowConn{}, nil }

type slowConn struct{}

func (slowConn) Prepare(string) (driver.Stmt, error) { return nil, io.ErrUnexpectedEOF }
func (slowConn) Close() error                        { return nil }
func (slowConn) Begin() (driver.Tx, error)           { return nil, io.ErrUnexpectedEOF }

func (slowConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	time.Sleep(2 * time.Millisecond)
	return driver.RowsAffected(1), nil
}
