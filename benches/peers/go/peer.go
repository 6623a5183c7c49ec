// Go, amqp091-go, pgx, redigo: a request in, the member public, its cache entry written, its event confirmed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/uuid"
	"github.com/gomodule/redigo/redis"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	eventType    = "wix.members.v1.member_updated"
	cacheSeconds = 24 * 60 * 60
	poolSize     = 20

	receive = `INSERT INTO inbox (site_id, request_id, verdict) VALUES ($1, $2, 'joined') ON CONFLICT DO NOTHING`
	setJoin = `UPDATE members
		SET privacy_status = 'PUBLIC', event_sequence = event_sequence + 1,
			updated_date = greatest(date_trunc('milliseconds', now()), updated_date)
		WHERE site_id = $1 AND id = $2 AND status = 'APPROVED' AND privacy_status <> 'PUBLIC'
		RETURNING login_email, status, privacy_status, contact_id::text, contact, profile, created_date, updated_date,
			event_sequence`
	notJoined = `UPDATE inbox SET verdict = CASE WHEN EXISTS (
			SELECT FROM members WHERE site_id = $1 AND id = $3 AND privacy_status = 'PUBLIC'
		) THEN 'already_joined' ELSE 'rejected' END
		WHERE site_id = $1 AND request_id = $2`
	owe  = `INSERT INTO outbox (site_id, request_id, event) VALUES ($1, $2, $3)`
	owed = `SELECT event FROM outbox WHERE site_id = $1 AND request_id = $2`
	paid = `DELETE FROM outbox WHERE site_id = $1 AND request_id = $2`
)

var errMalformed = errors.New("malformed")

type request struct {
	SiteID   uuid.UUID `json:"siteId"`
	MemberID uuid.UUID `json:"memberId"`
	Identity struct {
		IdentityType string    `json:"identityType"`
		MemberID     uuid.UUID `json:"memberId"`
	} `json:"identity"`
	id string
}

// What everybody may see; the whole member has more.
type profile struct {
	ID            string          `json:"id"`
	ContactID     *string         `json:"contactId"`
	CreatedDate   string          `json:"createdDate"`
	UpdatedDate   string          `json:"updatedDate"`
	PrivacyStatus string          `json:"privacyStatus"`
	Profile       json.RawMessage `json:"profile"`
}

type member struct {
	profile
	LoginEmail *string         `json:"loginEmail"`
	Status     string          `json:"status"`
	Contact    json.RawMessage `json:"contact"`
}

type event struct {
	ID           string `json:"id"`
	EntityFqdn   string `json:"entityFqdn"`
	Slug         string `json:"slug"`
	EntityID     string `json:"entityId"`
	EventTime    string `json:"eventTime"`
	Anonymize    bool   `json:"triggeredByAnonymizeRequest"`
	Origin       string `json:"originatedFrom"`
	Sequence     string `json:"entityEventSequence"`
	UpdatedEvent struct {
		CurrentEntity member `json:"currentEntity"`
	} `json:"updatedEvent"`
}

func parse(delivery *amqp.Delivery) (request, error) {
	var asked request
	if err := json.Unmarshal(delivery.Body, &asked); err != nil {
		return asked, fmt.Errorf("%w: %v", errMalformed, err)
	}
	asked.id = delivery.MessageId
	if asked.id == "" || asked.SiteID.IsNil() || asked.MemberID.IsNil() {
		return asked, fmt.Errorf("%w: message_id, siteId or memberId is missing", errMalformed)
	}
	if asked.Identity.IdentityType != "MEMBER" || asked.Identity.MemberID != asked.MemberID {
		return asked, fmt.Errorf("%w: a member can only ask for itself", errMalformed)
	}
	return asked, nil
}

type worker struct {
	pool      *pgxpool.Pool
	cache     *redis.Pool
	publisher *publisher
	prefix    string
}

func (w *worker) join(ctx context.Context, delivery *amqp.Delivery) error {
	asked, err := parse(delivery)
	if err != nil {
		return err
	}
	var due *event
	err = w.pool.BeginFunc(ctx, func(tx pgx.Tx) (err error) {
		due, err = commit(ctx, tx, &asked)
		return err
	})
	if err != nil || due == nil {
		return err
	}
	entry, err := json.Marshal(due.UpdatedEvent.CurrentEntity.profile)
	if err != nil {
		return err
	}
	key := w.prefix + ":" + asked.SiteID.String() + ":" + asked.MemberID.String()
	if err := w.remember(ctx, key, entry); err != nil {
		return err
	}
	if err := w.publisher.publish(ctx, due); err != nil {
		return err
	}
	_, err = w.pool.Exec(ctx, paid, asked.SiteID, asked.id)
	return err
}

// The event that is owed for this request, or nothing: the member was public, or all is paid.
func commit(ctx context.Context, tx pgx.Tx, asked *request) (*event, error) {
	received, err := tx.Exec(ctx, receive, asked.SiteID, asked.id)
	if err != nil {
		return nil, err
	}
	var due event
	if received.RowsAffected() == 0 {
		err := tx.QueryRow(ctx, owed, asked.SiteID, asked.id).Scan(&due)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil
		}
		return &due, err
	}
	var created, updated time.Time
	var sequence int64
	m := &due.UpdatedEvent.CurrentEntity
	err = tx.QueryRow(ctx, setJoin, asked.SiteID, asked.MemberID).Scan(&m.LoginEmail, &m.Status, &m.PrivacyStatus,
		&m.ContactID, &m.Contact, &m.Profile, &created, &updated, &sequence)
	if errors.Is(err, pgx.ErrNoRows) {
		_, err = tx.Exec(ctx, notJoined, asked.SiteID, asked.id, asked.MemberID)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV4()
	if err != nil {
		return nil, err
	}
	m.ID, m.CreatedDate, m.UpdatedDate = asked.MemberID.String(), date(created), date(updated)
	due.ID, due.EntityID, due.EventTime = id.String(), m.ID, m.UpdatedDate
	due.EntityFqdn, due.Slug, due.Origin = "wix.members.v1.member", "updated", "join_community"
	due.Sequence = strconv.FormatInt(sequence, 10)
	_, err = tx.Exec(ctx, owe, asked.SiteID, asked.id, &due)
	return &due, err
}

func (w *worker) remember(ctx context.Context, key string, entry []byte) error {
	connection, err := w.cache.GetContext(ctx)
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = connection.Do("SET", key, entry, "EX", cacheSeconds)
	return err
}

// A channel in confirm mode that all goroutines share.
type publisher struct {
	channel  *amqp.Channel
	exchange string
	// A message that nobody is bound for comes back before its confirm.
	returns  chan amqp.Return
	lock     sync.Mutex
	returned map[string]bool
	// Who waits for which confirm. The library's own DeferredConfirmation is not used: in 1.5.0 it is registered after the
	// message was sent, and a confirm that is faster is never heard of.
	waiting map[uint64]chan bool
}

func (p *publisher) hear(confirms <-chan amqp.Confirmation) {
	for confirm := range confirms {
		p.lock.Lock()
		waits := p.waiting[confirm.DeliveryTag]
		delete(p.waiting, confirm.DeliveryTag)
		p.lock.Unlock()
		waits <- confirm.Ack
	}
}

func (p *publisher) send(ctx context.Context, message amqp.Publishing) (<-chan bool, error) {
	confirmed := make(chan bool, 1)
	p.lock.Lock()
	defer p.lock.Unlock()
	p.waiting[p.channel.GetNextPublishSeqNo()] = confirmed
	return confirmed, p.channel.PublishWithContext(ctx, p.exchange, eventType, true, false, message)
}

func (p *publisher) publish(ctx context.Context, due *event) error {
	body, err := json.Marshal(due)
	if err != nil {
		return err
	}
	message := amqp.Publishing{
		MessageId:    due.ID,
		Type:         eventType,
		ContentType:  "application/json",
		DeliveryMode: amqp.Persistent,
		Body:         body,
	}
	confirmed, err := p.send(ctx, message)
	if err != nil {
		return err
	}
	if !<-confirmed {
		return errors.New("the broker did not take the event")
	}
	if p.cameBack(due.ID) {
		return errors.New("nobody is bound for the event")
	}
	return nil
}

func (p *publisher) cameBack(id string) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	for len(p.returns) > 0 {
		back := <-p.returns
		p.returned[back.MessageId] = true
	}
	back := p.returned[id]
	delete(p.returned, id)
	return back
}

func date(at time.Time) string {
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func channel(url string) (*amqp.Connection, *amqp.Channel) {
	connection := must(amqp.Dial(url))
	return connection, must(connection.Channel())
}

func main() {
	ctx := context.Background()
	prefetch := 200
	if text := os.Getenv("PEER_PREFETCH"); text != "" {
		prefetch = must(strconv.Atoi(text))
	}
	config := must(pgxpool.ParseConfig(os.Getenv("PEER_DATABASE_URL")))
	config.MaxConns = poolSize
	pool := must(pgxpool.ConnectConfig(ctx, config))
	cache := &redis.Pool{
		MaxIdle: poolSize, MaxActive: poolSize, Wait: true,
		Dial: func() (redis.Conn, error) { return redis.DialURL(os.Getenv("PEER_REDIS_URL")) },
	}
	// The library's advice: what publishes and what consumes do not share a connection.
	incoming, requests := channel(os.Getenv("PEER_AMQP_URL"))
	outgoing, events := channel(os.Getenv("PEER_AMQP_URL"))
	if err := events.Confirm(false); err != nil {
		log.Fatal(err)
	}
	if err := requests.Qos(prefetch, 0, false); err != nil {
		log.Fatal(err)
	}
	w := &worker{pool: pool, cache: cache, prefix: os.Getenv("PEER_CACHE_PREFIX"), publisher: &publisher{
		channel: events, exchange: os.Getenv("PEER_EVENTS_EXCHANGE"),
		returns: events.NotifyReturn(make(chan amqp.Return, prefetch)), returned: map[string]bool{},
		waiting: map[uint64]chan bool{},
	}}
	go w.publisher.hear(events.NotifyPublish(make(chan amqp.Confirmation, prefetch)))
	deliveries := must(requests.Consume(os.Getenv("PEER_QUEUE"), "peer", false, false, false, false, nil))

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	stopping := make(chan struct{})
	go func() {
		<-stop
		close(stopping)
		if err := requests.Cancel("peer", false); err != nil {
			log.Fatal(err)
		}
	}()
	// As many goroutines as messages may be in flight.
	var workers sync.WaitGroup
	for n := 0; n < prefetch; n++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for delivery := range deliveries {
				w.settle(ctx, &delivery)
			}
		}()
	}
	workers.Wait()
	select {
	case <-stopping:
	default:
		log.Fatal("the broker ended the consumer")
	}
	requests.Close()
	incoming.Close()
	outgoing.Close()
	pool.Close()
	cache.Close()
}

func (w *worker) settle(ctx context.Context, delivery *amqp.Delivery) {
	err := w.join(ctx, delivery)
	if err == nil {
		err = delivery.Ack(false)
	} else {
		log.Print(strings.TrimSpace(err.Error()))
		err = delivery.Nack(false, !errors.Is(err, errMalformed))
	}
	if err != nil {
		log.Fatal(err)
	}
}
