<?php
/**
 * The Job class of the talk, made to work: the slide spells its constructor __constructor, which PHP never calls, so
 * that every job would have been put without a name. What it leaves empty is encoded as a list ("success":[],"error":[]);
 * Lunastalk reads that as {}.
 *
 *   php talk.php [HOST [PORT [TO]]]
 */
declare(strict_types=1);

namespace DDM\Awesome;

use Pheanstalk\Pheanstalk;

require 'Pheanstalk/autoload.php'; // Composer: require __DIR__ . '/vendor/autoload.php';

class Job
{
    public $job = '';
    public $data = [];
    public $success = [];
    public $error = [];

    public function __construct(string $job_name, array $data = [], array $success = [], array $error = [])
    {
        $this->job = $job_name;
        $this->data = $data;
        $this->success = $success;
        $this->error = $error;
    }
}

$pheanstalk = Pheanstalk::create($argv[1] ?? '127.0.0.1', (int) ($argv[2] ?? 11300));
$jobs = [
    new Job('noop'), // {"job":"noop","data":[],"success":[],"error":[]}
    new Job('send_email', [
        'to' => $argv[3] ?? 'ada@example.com',
        'from' => 'no-reply@example.com',
        'subject' => 'So-and-so wants more info on your droids!',
        'body' => "....\n",
    ]),
];

// Pheanstalk 5 differs here as put.php shows.
$pheanstalk->useTube('email.regular');
foreach ($jobs as $job) {
    $id = $pheanstalk->put(json_encode($job, JSON_THROW_ON_ERROR), 500, 0, 120)->getId();
    echo "put {$job->job} as job $id on email.regular\n";
}
