// fluent_go: the Go client of Fluentd's own project sends records with acks: Message mode, one after the other.
//
//	fluent_go PORT TAG < records, one JSON object a line
//
// Prints how many were acked.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

func main() {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	logger, err := fluent.New(fluent.Config{FluentHost: "127.0.0.1", FluentPort: port, RequestAck: true,
		SubSecondPrecision: true, ReadTimeout: 30 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	acked := 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var record map[string]any
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			log.Fatal(err)
		}
		if err := logger.Post(os.Args[2], record); err != nil {
			log.Fatal(err)
		}
		acked++
	}
	if err := logger.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(acked)
}
