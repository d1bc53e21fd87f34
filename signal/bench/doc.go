// Package bench counts how often a fault of the signals makes a false rollback, and
// how often it hides a bad target: for each form of the verdict, whole migrations in
// virtual time, through the runner, the source that asks Prometheus, the engine and
// the verdict. Only the users, the processes, the scrapes and the server's answers are
// made up, from a seed. It measures no time, and is no part of the product.
package bench
