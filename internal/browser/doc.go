// Package browser holds the tests of the HTML report in a browser. It is a module of
// its own so that nobody else needs what drives one.
//
// The tests are skipped, and say so, where there is no Chromium or Chrome. With
// -shots DIR they leave pictures of the page, light and dark, wide and on a phone;
// -page FILE measures the time to the first paint and of frames while panning.
package browser
