// Command generate writes what follows from the types of api/v1alpha1: the
// deep-copy functions, the custom resource definitions and the JSON Schemas. It
// promises that two runs over the same types write the same bytes. It never
// touches anything outside of the directory it is told to write to. Run it as
// "go generate ./api/...".
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	types := flag.String("types", ".", "directory of the package that holds the types")
	out := flag.String("out", ".", "directory to write to")
	flag.Parse()
	if err := generate(*types, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
