<?php
/**
 * Puts one send_email job on email.regular, for example from a web request.
 *
 *   php put.php [HOST [PORT [TO]]]
 *
 * Written for Pheanstalk 4 as Debian and Ubuntu package it (php-pda-pheanstalk); Composer brings newer ones.
 */
declare(strict_types=1);

use Pheanstalk\Pheanstalk;

require 'Pheanstalk/autoload.php'; // Composer: require __DIR__ . '/vendor/autoload.php';

$host = $argv[1] ?? '127.0.0.1';
$port = (int) ($argv[2] ?? 11300);
$to = $argv[3] ?? 'ada@example.com';

// Thrown errors are the point: a job that cannot be encoded must not reach the queue as "false".
$body = json_encode([
    'job' => 'send_email',
    'data' => ['to' => $to, 'subject' => 'Welcome', 'body' => "Hello!\n"],
    'error' => ['bury' => true],
], JSON_THROW_ON_ERROR);

$pheanstalk = Pheanstalk::create($host, $port);
// Priority, delay and TTR always: no reader should have to know the client's defaults.
$job = $pheanstalk->useTube('email.regular')->put(
    $body,
    1024, // priority: 0 is the most urgent
    0,    // delay in seconds before it is ready
    60    // TTR: seconds a worker has for it
);
// Since Pheanstalk 5 a tube is an object and useTube() returns nothing:
//     $pheanstalk->useTube(new \Pheanstalk\Values\TubeName('email.regular'));
//     $job = $pheanstalk->put($body, 1024, 0, 60);

echo "put job {$job->getId()} on email.regular\n";
