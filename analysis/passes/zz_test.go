package passes_test
import ("testing";"os";"context";"runtime";"runtime/pprof";"github.com/tracelens/tracelens/analysis";"github.com/tracelens/tracelens/analysis/passes";"io")
type endr struct{r io.Reader; f func()}
func (e *endr) Read(p []byte)(int,error){n,err:=e.r.Read(p); if err==io.EOF && e.f!=nil {e.f();e.f=nil}; return n,err}
func TestZZProf(t *testing.T){
 runtime.MemProfileRate=4096
 f,_:=os.Open(os.Getenv("ZZ"))
 all:=passes.All()
 for _,a:=range all { _ = a }
 rep,err:=analysis.Analyze(context.Background(), f, "x", analysis.Options{Jobs:1}, all)
 if err!=nil {t.Fatal(err)}
 _=rep
 o,_:=os.Create("/tmp/m21/alloc.prof"); runtime.GC(); pprof.Lookup("allocs").WriteTo(o,0); o.Close()
}
