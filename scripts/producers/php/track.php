<?php
/**
 * Puts a job with an id and tells what became of it: the talk's "confirming jobs executed", with Pheanstalk and Predis.
 *
 *   php track.php [HOST [PORT [TO [REDIS [SECONDS]]]]]
 *
 * REDIS is "tcp://127.0.0.1:6379"; SECONDS (0) is how long to wait for the job's end. Debian: php-pda-pheanstalk,
 * php-predis. The fields are described in ../README.md.
 */
declare(strict_types=1);

use Pheanstalk\Pheanstalk;

require 'Pheanstalk/autoload.php'; // Composer: require __DIR__ . '/vendor/autoload.php'; for both
require 'Predis/autoload.php';

$pheanstalk = Pheanstalk::create($argv[1] ?? '127.0.0.1', (int) ($argv[2] ?? 11300));
$redis = new Predis\Client($argv[4] ?? 'tcp://127.0.0.1:6379');
$seconds = (float) ($argv[5] ?? 0);
$tube = 'email.regular';

$id = bin2hex(random_bytes(16));
$body = json_encode([
    'job' => 'send_email',
    'data' => ['to' => $argv[3] ?? 'ada@example.com', 'subject' => 'Welcome', 'body' => "Hello!\n"],
    'id' => $id,
], JSON_THROW_ON_ERROR);

// Before the put, and never over what a worker wrote. `state` decides whose record it is.
$key = "jobs:$id";
if ($redis->hsetnx($key, 'state', 'queued')) {
    $now = sprintf('%.3F', microtime(true));
    foreach (['created' => $now, 'updated' => $now, 'name' => 'send_email', 'tube' => $tube] as $field => $value) {
        $redis->hsetnx($key, $field, $value);
    }
    $redis->expire($key, 7 * 86400);
}

// Pheanstalk 5 differs here as put.php shows.
$job = $pheanstalk->useTube($tube)->put($body, 1024, 0, 60);
echo "put job {$job->getId()} on $tube, its record is $key\n";

$end = microtime(true) + $seconds;
do {
    $record = $redis->hgetall($key);
    $ended = in_array($record['state'] ?? '', ['done', 'buried'], true);
} while (!$ended && microtime(true) < $end && usleep(100000) === null);
echo "it is {$record['state']}", empty($record['error']) ? '' : ": {$record['error']}", "\n";
