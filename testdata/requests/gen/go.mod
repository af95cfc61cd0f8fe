module github.com/tracelens/tracelens/testdata/requests/gen

go 1.22
