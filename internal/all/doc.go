// Package all is the registry of drivers: it turns the plain data of a plan into
// connected levers, signals and environments. Adding a driver is one line in one
// of its tables. Only cmd/watari and scenario import it; nothing registers
// itself.
package all
