package engine

// RunScript runs one script as TestScenarios does, for tests that make scripts.
var RunScript = runScript
