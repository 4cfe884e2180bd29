#include "job/fields.h"

size_t job_fields(const struct job *job, struct log_field *fields)
{
    size_t count = 0;
    fields[count++] = F_TEXT("server", job->server);
    fields[count++] = F_ID("id", job->id);
    if (job->tube)
        fields[count++] = F_TEXT("tube", job->tube);
    if (*job->envelope.id)
        fields[count++] = F_TEXT("record", job->envelope.id);
    if (job->stats)
        fields[count++] = F_NUMBER("attempt", policy_attempt(job->stats->buries, job->retry.max));
    if (*job->envelope.name) {
        fields[count] = F_TEXT("job", job->envelope.name); // which is the channel of most of its records
        fields[count++].more = true;
    }
    if (job->version) {
        fields[count] = F_TEXT("version", job->version->text);
        fields[count++].more = true;
    }
    for (size_t i = 0; i < count; i++)
        fields[i].of_job = true;
    return count;
}
