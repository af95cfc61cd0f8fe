# docker run --rm -v "$PWD:/traces" ghcr.io/tracelens/tracelens analyze cpu.trace
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /tracelens ./cmd/tracelens

FROM scratch
# For capture and analyze of https URLs.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /tracelens /tracelens
COPY --from=build --chmod=1777 /tmp /tmp
WORKDIR /traces
USER 65532:65532
ENTRYPOINT ["/tracelens"]
