package sim

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"
)

func TestDebug(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		t.Skip()
	}
	var s Simulator
	p := Draw(seed)
	b, _ := json.Marshal(p)
	fmt.Println(string(b))
	r := s.Run(t.Context(), p, Options{Trace: true})
	n := len(r.Trace)
	for i, l := range r.Trace {
		if i < 60 || i > n-40 {
			fmt.Println(l)
		}
	}
	fmt.Println(r.Phase, r.Broken)
}
