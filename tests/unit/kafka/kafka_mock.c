/* SPDX-License-Identifier: Apache-2.0
 *
 * kafka_mock.c -- librdkafka's mock cluster as a process of its own, so that what it costs is not
 * counted as ours.  Prints its brokers, and lives until its standard input ends.
 *
 *     kafka_mock TOPIC:PARTITIONS...
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char text[256], byte;
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
    rd_kafka_mock_cluster_t *mock = handle ? rd_kafka_mock_cluster_new(handle, 1) : NULL;
    if (!mock)
        return 1;
    for (int i = 1; i < argc; i++) {
        char *colon = strchr(argv[i], ':');
        if (!colon)
            return 64;
        *colon = 0;
        rd_kafka_mock_topic_create(mock, argv[i], atoi(colon + 1), 1);
    }
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(mock));
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(handle);
    return 0;
}
