package plugin

// Reason is why a plugin gave no credentials.
type Reason uint8

// The zero value is none of them.
const (
	Misconfigured Reason = iota + 1 // the kubeconfig says of it what cannot be done
	Missing                         // the command is not there, or cannot be run
	Terminal                        // it wants to ask somebody
	Silent                          // it did not answer in time, and was ended
	Failed                          // it ended with an error of its own
	Unusable                        // it ended, and what it printed cannot be used
)

// Error says why a plugin gave no credentials.
type Error struct {
	Command string
	Reason  Reason
	Text    string // what happened, in words
	Stderr  string // the last that it wrote there, on one line
	Hint    string // of the kubeconfig: how to install it
	Cause   error  // may be nil
}

// Error implements error.
func (e *Error) Error() string {
	text := "the plugin " + e.Command + " of the kubeconfig: " + e.Text
	if e.Stderr != "" {
		text += "; it wrote: " + e.Stderr
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
