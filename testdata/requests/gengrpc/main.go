// Command gengrpc writes an execution trace of a gRPC server that counts its own
// requests, and what it counted: gengrpc OUT.trace OUT.json.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime/trace"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
)

// text is what the service says; its codec makes protocol buffers unnecessary.
type text struct{ S string }

type codec struct{}

func (codec) Marshal(v any) ([]byte, error)      { return []byte(v.(*text).S), nil }
func (codec) Unmarshal(data []byte, v any) error { v.(*text).S = string(data); return nil }
func (codec) Name() string                       { return "text" }

type count struct {
	N       int   `json:"n"`
	Handler int64 `json:"handler_ns"`
	Client  int64 `json:"client_ns"`
}

var (
	mu    sync.Mutex
	truth = make(map[string]*count)
	order sync.Mutex
)

func note(what string, n int, handler, client time.Duration) {
	mu.Lock()
	defer mu.Unlock()
	c := truth[what]
	if c == nil {
		c = new(count)
		truth[what] = c
	}
	c.N += n
	c.Handler += int64(handler)
	c.Client += int64(client)
}

// Named as protoc-gen-go-grpc names them.

func _Shop_Order_Handler(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	since := time.Now()
	in := new(text)
	if err := dec(in); err != nil {
		return nil, err
	}
	order.Lock()
	time.Sleep(time.Millisecond)
	order.Unlock()
	note("main._Shop_Order_Handler", 1, time.Since(since), 0)
	return in, nil
}

func _Shop_Watch_Handler(srv any, stream grpc.ServerStream) error {
	since := time.Now()
	in := new(text)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	for range 3 {
		time.Sleep(time.Millisecond)
		if err := stream.SendMsg(in); err != nil {
			return err
		}
	}
	note("main._Shop_Watch_Handler", 1, time.Since(since), 0)
	return nil
}

var desc = grpc.ServiceDesc{
	ServiceName: "Shop", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Order", Handler: _Shop_Order_Handler}},
	Streams: []grpc.StreamDesc{{StreamName: "Watch", Handler: _Shop_Watch_Handler, ServerStreams: true}},
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	encoding.RegisterCodec(codec{})
	out, err := os.Create(os.Args[1])
	check(err)
	check(trace.Start(out))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := grpc.NewServer()
	server.RegisterService(&desc, nil)
	go server.Serve(l)
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.CallContentSubtype("text")))
			check(err)
			for range 15 {
				since := time.Now()
				check(conn.Invoke(context.Background(), "/Shop/Order", &text{"a book"}, new(text)))
				note("main._Shop_Order_Handler", 0, 0, time.Since(since))
			}
			s, err := conn.NewStream(context.Background(), &desc.Streams[0], "/Shop/Watch")
			check(err)
			check(s.SendMsg(&text{"prices"}))
			check(s.CloseSend())
			for s.RecvMsg(new(text)) == nil {
			}
			check(conn.Close())
		}()
	}
	wg.Wait()
	server.GracefulStop()
	trace.Stop()
	check(out.Close())
	data, err := json.MarshalIndent(truth, "", "\t")
	check(err)
	check(os.WriteFile(os.Args[2], append(data, '\n'), 0o666))
}
